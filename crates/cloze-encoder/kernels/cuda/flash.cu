// Attention on tensor cores, for bfloat16 and head widths that are multiples of 16: a block for each sequence and head. Its
// keys and values (in backward for the keys: its queries and their gradients) stand in shared memory; warps take tiles of 16
// rows. The same function, arguments and dropout as attention.cu, but `lse` in base 2.
//
// Lanes hold matrices as mma.m16n8k16 has them: lane 4g + t holds rows g and g + 8 and columns 2t and 2t + 1 of each 16 x 8
// tile. A lane's four numbers of a score tile are (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1).

#if BF16 && HEAD_WIDTH % 16 == 0 && HEAD_WIDTH <= 128

#ifndef CLOZE_EMULATED
// c += a b
DEVICE void mma_16816(float* c, const u32* a, u32 b0, u32 b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices from shared memory: lane i gives the address of row i % 8 of matrix i / 8.
DEVICE void ldmatrix4(u32* r, const void* row) {
  const u32 address = (u32)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

DEVICE void ldmatrix4_trans(u32* r, const void* row) {
  const u32 address = (u32)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#else
DEVICE float exp2_fast(float x) { return exp2f(x); }
#endif

constexpr int PITCH = HEAD_WIDTH + 8;      // numbers from row to row in shared memory: no two rows of a matrix in one bank
constexpr int STEPS = HEAD_WIDTH / 16;     // 16-wide steps of a product over the head
constexpr int TILES = HEAD_WIDTH / 8;      // 8-wide tiles of a result over the head
constexpr float MASKED = -1e30f;
constexpr float LOG2_E = 1.4426950408889634f;

// Rows `first..first + count` of a head into shared memory; rows up to `padded` are 0.
DEVICE void stage(u16* shared, const u16* from, int stride, int count, int padded) {
  constexpr int PARTS = HEAD_WIDTH / 8;
  for (int i = threadIdx.x; i < padded * PARTS; i += blockDim.x) {
    const int row = i / PARTS, part = i % PARTS;
    uint4 words = make_uint4(0, 0, 0, 0);
    if (row < count) words = *reinterpret_cast<const uint4*>(from + (u64)row * stride + part * 8);
    *reinterpret_cast<uint4*>(shared + row * PITCH + part * 8) = words;
  }
}

DEVICE u32 pair_at(const u16* from) { return *reinterpret_cast<const u32*>(from); }

// 16 rows as left factors; rows behind the last are the last.
DEVICE void load_left(u32 (*a)[4], const u16* from, int stride, int row, int count, int t) {
  const u16* upper = from + (u64)min(row, count - 1) * stride + 2 * t;
  const u16* lower = from + (u64)min(row + 8, count - 1) * stride + 2 * t;
#pragma unroll
  for (int k = 0; k < STEPS; k++) {
    a[k][0] = pair_at(upper + k * 16);
    a[k][1] = pair_at(lower + k * 16);
    a[k][2] = pair_at(upper + k * 16 + 8);
    a[k][3] = pair_at(lower + k * 16 + 8);
  }
}

// 16 rows of results times `upper` and `lower` factors, as bfloat16.
DEVICE void store_tile(const float (*c)[4], float upper, float lower, u16* to, int stride, int row, int count, int t) {
#pragma unroll
  for (int i = 0; i < TILES; i++) {
    if (row < count)
      *reinterpret_cast<u32*>(to + (u64)row * stride + i * 8 + 2 * t) = pack_bf16(c[i][0] * upper, c[i][1] * upper);
    if (row + 8 < count)
      *reinterpret_cast<u32*>(to + (u64)(row + 8) * stride + i * 8 + 2 * t) = pack_bf16(c[i][2] * lower, c[i][3] * lower);
  }
}

// Addresses that a lane gives for 16 rows of shared memory: as right factors over their columns (row by row) ...
DEVICE const u16* rows_address(const u16* shared, int lane) {
  return shared + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
}
// ... and over the rows (column by column).
DEVICE const u16* columns_address(const u16* shared, int lane) { return shared + lane % 16 * PITCH + lane / 16 * 8; }

// c[2] += left (16 x head) times the transpose of 16 rows.
DEVICE void scores(float (*c)[4], const u32 (*left)[4], const u16* rows) {
#pragma unroll
  for (int k = 0; k < STEPS; k++) {
    u32 b[4];
    ldmatrix4(b, rows + k * 16);
    mma_16816(c[0], left[k], b[0], b[1]);
    mma_16816(c[1], left[k], b[2], b[3]);
  }
}

// sum += left (16 x 16) times 16 rows.
DEVICE void accumulate(float (*sum)[4], const u32* left, const u16* columns) {
#pragma unroll
  for (int i = 0; i < TILES; i += 2) {
    u32 b[4];
    ldmatrix4_trans(b, columns + i * 8);
    mma_16816(sum[i], left, b[0], b[1]);
    mma_16816(sum[i + 1], left, b[2], b[3]);
  }
}

// The random bytes of 16 queries x 32 keys: word j for keys 8j.., a byte for each number of a lane's score tile.
DEVICE uint4 attention_bytes(const Attention& a, u32 sequence, int head, u32 tile, u32 block, int lane) {
  const u32 call = lane + 32 * (block % 16 + 16 * tile) + (block / 16 << 27);
  return philox(make_uint4(call, sequence * HEADS + head, a.step->number, a.site), a.dropout.key0, a.dropout.key1);
}

DEVICE bool kept(u32 word, int byte, const Dropout& d) { return (word >> (8 * byte) & 0xffu) < d.keep8; }

// The block's sequence and head, and where they stand.
struct Head {
  u32 sequence;
  int head, queries, keys, padded_queries, padded_keys;
  u64 first_query, first_key;
};

DEVICE Head head_of(const Attention& a) {
  Head h;
  h.sequence = a.order[blockIdx.y];
  h.head = blockIdx.x;
  h.first_query = a.cu_queries[h.sequence];
  h.first_key = a.cu_keys[h.sequence];
  h.queries = a.cu_queries[h.sequence + 1] - (u32)h.first_query;
  h.keys = a.cu_keys[h.sequence + 1] - (u32)h.first_key;
  h.padded_queries = (h.queries + 15) / 16 * 16;
  h.padded_keys = (h.keys + 31) / 32 * 32;
  return h;
}

// Where a query (by its number among the sequence's) stands in its sequence.
DEVICE int place_of(const Attention& a, const Head& h, int query) {
  const int row = min(query, h.queries - 1);
  return a.query_place ? a.query_place[h.first_query + row] : row;
}

// The two queries of a lane's score tiles: where they stand, and how many keys they may see.
struct Pair {
  int upper, lower, upper_sees, lower_sees;
};

DEVICE Pair pair_of(const Attention& a, const Head& h, int row) {
  Pair pair;
  pair.upper = place_of(a, h, row);
  pair.lower = place_of(a, h, row + 8);
  pair.upper_sees = CAUSAL ? pair.upper + 1 : h.keys;
  pair.lower_sees = CAUSAL ? pair.lower + 1 : h.keys;
  return pair;
}

// Takes from the scores of keys `key`, `key + 1` what distance costs, `fall` a place.
DEVICE void lower_tile(float* c, int key, const Pair& pair, float fall) {
#pragma unroll
  for (int e = 0; e < 2; e++) {
    c[e] -= fall * distance(pair.upper, key + e);
    c[2 + e] -= fall * distance(pair.lower, key + e);
  }
}

// Masks what the queries may not see of keys `key`, `key + 1`.
DEVICE void mask_tile(float* c, int key, const Pair& pair) {
#pragma unroll
  for (int e = 0; e < 2; e++) {
    if (key + e >= pair.upper_sees) c[e] = MASKED;
    if (key + e >= pair.lower_sees) c[2 + e] = MASKED;
  }
}

DEVICE float quad_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(ALL, v, 1));
  return fmaxf(v, __shfl_xor_sync(ALL, v, 2));
}

// Attention of 16 queries: online softmax over blocks of 32 keys.
template <bool DROP>
DEVICE void forward_tile(const Attention& a, const Head& h, const u16* keys, const u16* values, int tile, int lane) {
  const int g = lane / 4, t = lane % 4, row = tile * 16 + g;
  const float base = a.scale * LOG2_E;
  u32 q[STEPS][4];
  load_left(q, a.q + h.first_query * a.q_stride + h.head * HEAD_WIDTH, a.q_stride, row, h.queries, t);
  const Pair pair = pair_of(a, h, row);
  const float fall = slope_of(h.head) / a.scale;
  const int last = CAUSAL ? place_of(a, h, tile * 16 + 15) + 1 : h.keys;
  float out[TILES][4] = {}, top[2] = {MASKED, MASKED}, sum[2] = {0.0f, 0.0f};
  for (int block = 0; block < last; block += 32) {
    float s[4][4] = {};
    scores(s, q, rows_address(keys + block * PITCH, lane));
    scores(s + 2, q, rows_address(keys + (block + 16) * PITCH, lane));
    float best[2] = {MASKED, MASKED};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (DISTANCE_SLOPE > 0.0f) lower_tile(s[j], block + 8 * j + 2 * t, pair, fall);
      if (CAUSAL || block + 32 > h.keys) mask_tile(s[j], block + 8 * j + 2 * t, pair);
      best[0] = fmaxf(best[0], fmaxf(s[j][0], s[j][1]));
      best[1] = fmaxf(best[1], fmaxf(s[j][2], s[j][3]));
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float higher = fmaxf(top[half], quad_max(best[half]) * base), shrink = exp2_fast(top[half] - higher);
      top[half] = higher;
      sum[half] *= shrink;
#pragma unroll
      for (int i = 0; i < TILES; i++) out[i][2 * half] *= shrink, out[i][2 * half + 1] *= shrink;
    }
    u32 words[4] = {};
    if (DROP) {
      const uint4 drawn = attention_bytes(a, h.sequence, h.head, tile, block / 32, lane);
      words[0] = drawn.x, words[1] = drawn.y, words[2] = drawn.z, words[3] = drawn.w;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const float p = exp2_fast(s[j][e] * base - top[e / 2]);
        sum[e / 2] += p;
        s[j][e] = !DROP || kept(words[j], e, a.dropout) ? p : 0.0f;
      }
    }
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      const u32 p[4] = {pack_bf16(s[j][0], s[j][1]), pack_bf16(s[j][2], s[j][3]), pack_bf16(s[j + 1][0], s[j + 1][1]),
                        pack_bf16(s[j + 1][2], s[j + 1][3])};
      accumulate(out, p, columns_address(values + (block + 8 * j) * PITCH, lane));
    }
  }
  const float drop_scale = DROP ? a.dropout.scale8 : 1.0f;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    sum[half] = lane_sum<4>(sum[half]);
    const int query = row + 8 * half;
    if (t == 0 && query < h.queries) a.lse[(h.first_query + query) * HEADS + h.head] = top[half] + log2f(sum[half]);
  }
  store_tile(out, drop_scale / sum[0], drop_scale / sum[1], a.o + h.first_query * a.o_stride + h.head * HEAD_WIDTH,
             a.o_stride, row, h.queries, t);
}

template <bool DROP> DEVICE void flash_forward_block(const Attention& a) {
  DYNAMIC_SHARED(shared);
  const Head h = head_of(a);
  if (h.queries == 0) return;
  u16 *keys = reinterpret_cast<u16*>(shared), *values = keys + h.padded_keys * PITCH;
  const u64 first = h.first_key * a.kv_stride + h.head * HEAD_WIDTH;
  stage(keys, a.k + first, a.kv_stride, h.keys, h.padded_keys);
  stage(values, a.v + first, a.kv_stride, h.keys, h.padded_keys);
  __syncthreads();
  for (int tile = threadIdx.x / 32; tile * 16 < h.queries; tile += blockDim.x / 32)
    forward_tile<DROP>(a, h, keys, values, tile, threadIdx.x % 32);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_forward(const Attention a) { flash_forward_block<false>(a); }
extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_forward_drop(const Attention a) {
  flash_forward_block<true>(a);
}

// dq of 16 queries, and their delta.
template <bool DROP>
DEVICE void queries_tile(const Attention& a, const Head& h, const u16* keys, const u16* values, int tile, int lane) {
  const int g = lane / 4, t = lane % 4, row = tile * 16 + g;
  const float base = a.scale * LOG2_E;
  const u64 first = h.first_query * a.o_stride + h.head * HEAD_WIDTH;
  u32 q[STEPS][4], d_o[STEPS][4];
  float delta[2] = {0.0f, 0.0f}, lse[2];
  {
    u32 o[STEPS][4];
    load_left(o, a.o + first, a.o_stride, row, h.queries, t);
    load_left(d_o, a.d_o + first, a.o_stride, row, h.queries, t);
#pragma unroll
    for (int k = 0; k < STEPS; k++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        float x[2], y[2];
        unpack(o[k][e], x), unpack(d_o[k][e], y);
        delta[e % 2] += x[0] * y[0] + x[1] * y[1];
      }
  }
  load_left(q, a.q + h.first_query * a.q_stride + h.head * HEAD_WIDTH, a.q_stride, row, h.queries, t);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    delta[half] = lane_sum<4>(delta[half]);
    const int query = min(row + 8 * half, h.queries - 1);
    const u64 place = (h.first_query + query) * HEADS + h.head;
    lse[half] = a.lse[place];
    if (t == 0 && row + 8 * half < h.queries) a.delta[place] = delta[half];
  }
  const Pair pair = pair_of(a, h, row);
  const float fall = slope_of(h.head) / a.scale;
  const int last = CAUSAL ? place_of(a, h, tile * 16 + 15) + 1 : h.keys;
  float dq[TILES][4] = {};
  for (int block = 0; block < last; block += 32) {
    float s[4][4] = {}, dp[4][4] = {};
    scores(s, q, rows_address(keys + block * PITCH, lane));
    scores(s + 2, q, rows_address(keys + (block + 16) * PITCH, lane));
    scores(dp, d_o, rows_address(values + block * PITCH, lane));
    scores(dp + 2, d_o, rows_address(values + (block + 16) * PITCH, lane));
    u32 words[4] = {};
    if (DROP) {
      const uint4 drawn = attention_bytes(a, h.sequence, h.head, tile, block / 32, lane);
      words[0] = drawn.x, words[1] = drawn.y, words[2] = drawn.z, words[3] = drawn.w;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (DISTANCE_SLOPE > 0.0f) lower_tile(s[j], block + 8 * j + 2 * t, pair, fall);
      if (CAUSAL || block + 32 > h.keys) mask_tile(s[j], block + 8 * j + 2 * t, pair);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const float p = exp2_fast(s[j][e] * base - lse[e / 2]);
        const float through = !DROP ? dp[j][e] : kept(words[j], e, a.dropout) ? dp[j][e] * a.dropout.scale8 : 0.0f;
        s[j][e] = p * (through - delta[e / 2]);
      }
    }
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      const u32 ds[4] = {pack_bf16(s[j][0], s[j][1]), pack_bf16(s[j][2], s[j][3]), pack_bf16(s[j + 1][0], s[j + 1][1]),
                         pack_bf16(s[j + 1][2], s[j + 1][3])};
      accumulate(dq, ds, columns_address(keys + (block + 8 * j) * PITCH, lane));
    }
  }
  store_tile(dq, a.scale, a.scale, a.dq + h.first_query * a.dq_stride + h.head * HEAD_WIDTH, a.dq_stride, row, h.queries, t);
}

template <bool DROP> DEVICE void flash_queries_block(const Attention& a) {
  DYNAMIC_SHARED(shared);
  const Head h = head_of(a);
  if (h.queries == 0) return;
  u16 *keys = reinterpret_cast<u16*>(shared), *values = keys + h.padded_keys * PITCH;
  const u64 first = h.first_key * a.kv_stride + h.head * HEAD_WIDTH;
  stage(keys, a.k + first, a.kv_stride, h.keys, h.padded_keys);
  stage(values, a.v + first, a.kv_stride, h.keys, h.padded_keys);
  __syncthreads();
  for (int tile = threadIdx.x / 32; tile * 16 < h.queries; tile += blockDim.x / 32)
    queries_tile<DROP>(a, h, keys, values, tile, threadIdx.x % 32);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_backward_queries(const Attention a) {
  flash_queries_block<false>(a);
}
extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_backward_queries_drop(const Attention a) {
  flash_queries_block<true>(a);
}

// What a key tile's pass needs of the queries, in shared memory.
struct StagedQueries {
  u16 *q, *d_o;
  float *lse, *delta;
  int* place;
};

// dk and dv of 16 keys: scores are computed transposed, keys down and queries across.
template <bool DROP>
DEVICE void keys_tile(const Attention& a, const Head& h, const StagedQueries& queries, int tile, int lane) {
  const int g = lane / 4, t = lane % 4, row = tile * 16 + g;
  const float base = a.scale * LOG2_E, fall = slope_of(h.head) / a.scale;
  const u64 first = h.first_key * a.kv_stride + h.head * HEAD_WIDTH;
  u32 k[STEPS][4], v[STEPS][4];
  load_left(k, a.k + first, a.kv_stride, row, h.keys, t);
  load_left(v, a.v + first, a.kv_stride, row, h.keys, t);
  float dk[TILES][4] = {}, dv[TILES][4] = {};
  for (int block = 0; block < h.padded_queries; block += 16) {
    float s[2][4] = {}, dp[2][4] = {};
    scores(s, k, rows_address(queries.q + block * PITCH, lane));
    scores(dp, v, rows_address(queries.d_o + block * PITCH, lane));
    u32 upper = 0, lower = 0;  // random words of keys g and g + 8
    if (DROP) {
      const uint4 drawn = attention_bytes(a, h.sequence, h.head, block / 16, tile / 2, lane);
      upper = tile % 2 ? drawn.z : drawn.x;
      lower = tile % 2 ? drawn.w : drawn.y;
    }
    float p[2][4];
#pragma unroll
    for (int e = 0; e < 2; e++) {
      // The bytes of query 2t + e and this lane's keys were drawn by another lane.
      const int owner = 4 * (2 * t + e) + g / 2;
      const u32 of_upper = DROP ? __shfl_sync(ALL, upper, owner) : 0, of_lower = DROP ? __shfl_sync(ALL, lower, owner) : 0;
#pragma unroll
      for (int u = 0; u < 2; u++) {
        const int query = block + 8 * u + 2 * t + e, byte = 2 * u + g % 2;
        const float lse = queries.lse[query], delta = queries.delta[query];
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int cell = 2 * half + e;
          const int key = row + 8 * half, place = queries.place[query];
          const float score = DISTANCE_SLOPE > 0.0f ? s[u][cell] - fall * distance(place, key) : s[u][cell];
          const float weight = !CAUSAL || key <= place ? exp2_fast(score * base - lse) : 0.0f;
          const bool keeps = !DROP || kept(half ? of_lower : of_upper, byte, a.dropout);
          const float through = !keeps ? 0.0f : DROP ? dp[u][cell] * a.dropout.scale8 : dp[u][cell];
          p[u][cell] = keeps ? weight : 0.0f;
          s[u][cell] = weight * (through - delta);
        }
      }
    }
    const u32 weights[4] = {pack_bf16(p[0][0], p[0][1]), pack_bf16(p[0][2], p[0][3]), pack_bf16(p[1][0], p[1][1]),
                            pack_bf16(p[1][2], p[1][3])};
    const u32 ds[4] = {pack_bf16(s[0][0], s[0][1]), pack_bf16(s[0][2], s[0][3]), pack_bf16(s[1][0], s[1][1]),
                       pack_bf16(s[1][2], s[1][3])};
    accumulate(dv, weights, columns_address(queries.d_o + block * PITCH, lane));
    accumulate(dk, ds, columns_address(queries.q + block * PITCH, lane));
  }
  const u64 to = h.first_key * a.dkv_stride + h.head * HEAD_WIDTH;
  const float drop_scale = DROP ? a.dropout.scale8 : 1.0f;
  store_tile(dk, a.scale, a.scale, a.dk + to, a.dkv_stride, row, h.keys, t);
  store_tile(dv, drop_scale, drop_scale, a.dv + to, a.dkv_stride, row, h.keys, t);
}

template <bool DROP> DEVICE void flash_keys_block(const Attention& a) {
  DYNAMIC_SHARED(shared);
  const Head h = head_of(a);
  if (h.keys == 0) return;
  StagedQueries queries;
  queries.q = reinterpret_cast<u16*>(shared);
  queries.d_o = queries.q + h.padded_queries * PITCH;
  queries.lse = reinterpret_cast<float*>(queries.d_o + h.padded_queries * PITCH);
  queries.delta = queries.lse + h.padded_queries;
  queries.place = reinterpret_cast<int*>(queries.delta + h.padded_queries);
  const u64 first = h.first_query * a.o_stride + h.head * HEAD_WIDTH;
  stage(queries.q, a.q + h.first_query * a.q_stride + h.head * HEAD_WIDTH, a.q_stride, h.queries, h.padded_queries);
  stage(queries.d_o, a.d_o + first, a.o_stride, h.queries, h.padded_queries);
  for (int i = threadIdx.x; i < h.padded_queries; i += blockDim.x) {
    const bool real_one = i < h.queries;
    const u64 place = (h.first_query + i) * HEADS + h.head;
    queries.lse[i] = real_one ? a.lse[place] : -MASKED;
    queries.delta[i] = real_one ? a.delta[place] : 0.0f;
    queries.place[i] = real_one ? place_of(a, h, i) : -1;
  }
  __syncthreads();
  for (int tile = threadIdx.x / 32; tile * 16 < h.keys; tile += blockDim.x / 32)
    keys_tile<DROP>(a, h, queries, tile, threadIdx.x % 32);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_backward_keys(const Attention a) { flash_keys_block<false>(a); }
extern "C" __global__ void __launch_bounds__(BLOCK, 2) flash_backward_keys_drop(const Attention a) {
  flash_keys_block<true>(a);
}

#endif
