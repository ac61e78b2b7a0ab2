// Attention over packed sequences, for any head width and any length: a warp for each query, in backward also for each key.
// flash.cu is the fast path for the shapes that tensor cores like.
//
// Queries and keys have ends of their own, so that the last layer asks for its output rows only. Probabilities are not kept:
// the backward pass computes them again from `lse`, the logarithm of each query's sum.

struct Attention {
  const real *q, *k, *v;
  real* o;
  float* lse;          // [queries][HEADS]
  const real* d_o;
  float* delta;        // [queries][HEADS]: sum over the head of d_o * o
  real *dq, *dk, *dv;
  const u32 *query_sequence, *key_sequence;  // number of each row's sequence
  const u32 *cu_queries, *cu_keys;           // ends of the sequences among queries and among keys
  const u32* query_place;                    // where each query stands in its sequence; null: they are the keys' rows
  const u32* order;                          // the sequences, longest first
  const Step* step;
  int q_stride, kv_stride, o_stride, dq_stride, dkv_stride;
  int queries, keys;
  float scale;         // of the scores
  u32 site, sequences;
  Dropout dropout;
};

// One query: its sequence's keys, where it stands among them, and what it may see of them.
struct Query {
  u32 sequence, number, first_key;
  int place, visible;
};

DEVICE Query query_at(const Attention& a, int row) {
  Query query;
  query.sequence = a.query_sequence[row];
  query.number = row - a.cu_queries[query.sequence];
  query.first_key = a.cu_keys[query.sequence];
  query.place = a.query_place ? a.query_place[row] : query.number;
  query.visible = CAUSAL ? query.place + 1 : a.cu_keys[query.sequence + 1] - query.first_key;
  return query;
}

// What distance takes from a score of head `head`, for each place: a quarter of it in each next head.
DEVICE float slope_of(int head) { return ldexpf(DISTANCE_SLOPE, -2 * head); }

DEVICE int distance(int a, int b) { return a < b ? b - a : a - b; }

// 0 or the inverse of the keep probability, for a probability of head `head`.
DEVICE float attention_factor(const Attention& a, u32 sequence, int head, u32 query, u32 key) {
  const Dropout& d = a.dropout;
  if (d.keep16 >= KEEP_ALL) return 1.0f;
  const u32 lane = query % 8 * 4 + key % 8 / 2, block = key / 32, tile = query / 16;
  const u32 call = lane + 32 * (block % 16 + 16 * tile) + (block / 16 << 27);
  const uint4 r = philox(make_uint4(call, sequence * HEADS + head, a.step->number, a.site), d.key0, d.key1);
  const u32 quad = key % 32 / 8, word = quad == 0 ? r.x : quad == 1 ? r.y : quad == 2 ? r.z : r.w;
  const u32 byte = word >> (8 * (query % 16 / 8 * 2 + key % 2)) & 0xffu;
  return byte < d.keep8 ? d.scale8 : 0.0f;
}

DEVICE float head_dot(const real* a, const real* b) {
  float sum = 0.0f;
  for (int i = 0; i < HEAD_WIDTH; i++) sum += at(a + i) * at(b + i);
  return sum;
}

constexpr int HEAD_LANES = (HEAD_WIDTH + 31) / 32;  // columns of a head that a lane holds

// sums[i] += sum over the lanes' rows of weight * row[column], where lane L's row is `rows + L * stride`.
DEVICE void add_weighted(float* sums, float weight, const real* rows, int stride, int count, int lane) {
  for (int j = 0; j < count; j++) {
    const float w = __shfl_sync(ALL, weight, j);
#pragma unroll
    for (int i = 0; i < HEAD_LANES; i++) {
      const int column = lane + 32 * i;
      if (column < HEAD_WIDTH) sums[i] += w * at(rows + (u64)j * stride + column);
    }
  }
}

DEVICE void store_head(real* to, const float* v, float factor, int lane) {
#pragma unroll
  for (int i = 0; i < HEAD_LANES; i++) {
    const int column = lane + 32 * i;
    const float x = v[i] * factor;
    if (column < HEAD_WIDTH) store<1>(to + column, &x);
  }
}

// o = drop(softmax(scale * q k^T - slope * distance)) v, and lse.
extern "C" __global__ void __launch_bounds__(BLOCK) attention_forward(const Attention a) {
  const int lane = threadIdx.x % 32, warp = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
  if (warp >= a.queries * HEADS) return;
  const int row = warp / HEADS, head = warp % HEADS;
  const Query query = query_at(a, row);
  const real* q = a.q + (u64)row * a.q_stride + head * HEAD_WIDTH;
  const u64 first = (u64)query.first_key * a.kv_stride + head * HEAD_WIDTH;
  const float slope = slope_of(head);
  float largest = -INFINITY_, sum = 0.0f;
  for (int key = lane; key < query.visible; key += 32) {
    const float score = a.scale * head_dot(q, a.k + first + (u64)key * a.kv_stride) - slope * distance(query.place, key);
    const float before = largest;
    largest = fmaxf(largest, score);
    sum = sum * expf(before - largest) + expf(score - largest);
  }
  const float top = lane_max(largest);
  sum = lane_sum<32>(sum > 0.0f ? sum * expf(largest - top) : 0.0f);
  const float lse = top + logf(sum);
  float out[HEAD_LANES] = {};
  for (int block = 0; block < query.visible; block += 32) {
    const int key = block + lane, count = min(32, query.visible - block);
    float p = 0.0f;
    if (lane < count) {
      const float score = a.scale * head_dot(q, a.k + first + (u64)key * a.kv_stride) - slope * distance(query.place, key);
      p = expf(score - lse);
      p *= attention_factor(a, query.sequence, head, query.number, key);
    }
    add_weighted(out, p, a.v + first + (u64)block * a.kv_stride, a.kv_stride, count, lane);
  }
  store_head(a.o + (u64)row * a.o_stride + head * HEAD_WIDTH, out, 1.0f, lane);
  if (lane == 0) a.lse[(u64)row * HEADS + head] = lse;
}

// dq, and delta for the keys' turn.
extern "C" __global__ void __launch_bounds__(BLOCK) attention_backward_queries(const Attention a) {
  const int lane = threadIdx.x % 32, warp = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
  if (warp >= a.queries * HEADS) return;
  const int row = warp / HEADS, head = warp % HEADS;
  const Query query = query_at(a, row);
  const real* q = a.q + (u64)row * a.q_stride + head * HEAD_WIDTH;
  const real* o = a.o + (u64)row * a.o_stride + head * HEAD_WIDTH;
  const real* d_o = a.d_o + (u64)row * a.o_stride + head * HEAD_WIDTH;
  const u64 first = (u64)query.first_key * a.kv_stride + head * HEAD_WIDTH;
  const float slope = slope_of(head);
  const float lse = a.lse[(u64)row * HEADS + head];
  float delta = 0.0f;
  for (int column = lane; column < HEAD_WIDTH; column += 32) delta += at(o + column) * at(d_o + column);
  delta = lane_sum<32>(delta);
  float dq[HEAD_LANES] = {};
  for (int block = 0; block < query.visible; block += 32) {
    const int key = block + lane, count = min(32, query.visible - block);
    float ds = 0.0f;
    if (lane < count) {
      const u64 place = first + (u64)key * a.kv_stride;
      const float p = expf(a.scale * head_dot(q, a.k + place) - slope * distance(query.place, key) - lse);
      ds = p * (head_dot(d_o, a.v + place) * attention_factor(a, query.sequence, head, query.number, key) - delta);
    }
    add_weighted(dq, ds, a.k + first + (u64)block * a.kv_stride, a.kv_stride, count, lane);
  }
  store_head(a.dq + (u64)row * a.dq_stride + head * HEAD_WIDTH, dq, a.scale, lane);
  if (lane == 0) a.delta[(u64)row * HEADS + head] = delta;
}

// dk and dv.
extern "C" __global__ void __launch_bounds__(BLOCK) attention_backward_keys(const Attention a) {
  const int lane = threadIdx.x % 32, warp = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
  if (warp >= a.keys * HEADS) return;
  const int row = warp / HEADS, head = warp % HEADS;
  const u32 sequence = a.key_sequence[row], key = row - a.cu_keys[sequence];
  const u64 place = (u64)row * a.kv_stride + head * HEAD_WIDTH;
  const int first = a.cu_queries[sequence], count = a.cu_queries[sequence + 1] - first;
  const real* q = a.q + (u64)first * a.q_stride + head * HEAD_WIDTH;
  const real* d_o = a.d_o + (u64)first * a.o_stride + head * HEAD_WIDTH;
  float dk[HEAD_LANES] = {}, dv[HEAD_LANES] = {};
  for (int block = 0; block < count; block += 32) {
    const int number = block + lane, held = min(32, count - block);
    float p = 0.0f, ds = 0.0f;
    const Query query = query_at(a, first + min(number, count - 1));
    if (lane < held && (int)key < query.visible) {
      const u64 of_query = (u64)(first + number) * HEADS + head;
      const float fall = slope_of(head) * distance(query.place, key);
      const float score = a.scale * head_dot(q + (u64)number * a.q_stride, a.k + place) - fall;
      const float factor = attention_factor(a, sequence, head, number, key);
      p = expf(score - a.lse[of_query]);
      ds = p * (head_dot(d_o + (u64)number * a.o_stride, a.v + place) * factor - a.delta[of_query]);
      p *= factor;
    }
    add_weighted(dk, ds, q + (u64)block * a.q_stride, a.q_stride, held, lane);
    add_weighted(dv, p, d_o + (u64)block * a.o_stride, a.o_stride, held, lane);
  }
  const u64 to = (u64)row * a.dkv_stride + head * HEAD_WIDTH;
  store_head(a.dk + to, dk, a.scale, lane);
  store_head(a.dv + to, dv, 1.0f, lane);
}
