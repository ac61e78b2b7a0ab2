// The losses of the output layer. Row r counts with weights[r] (1 / M, or 0 for a row that only fills up).

DEVICE float block_max(float v, float* shared) {
  v = lane_max(v);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = v;
  __syncthreads();
  v = shared[0];
  for (int w = 1; w < BLOCK / 32; w++) v = fmaxf(v, shared[w]);
  __syncthreads();
  return v;
}

DEVICE float block_sum(float v, float* shared) {
  v = lane_sum<32>(v);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = v;
  __syncthreads();
  v = shared[0];
  for (int w = 1; w < BLOCK / 32; w++) v += shared[w];
  __syncthreads();
  return v;
}

// Softmax cross-entropy, a block for each row of `stride` numbers (a multiple of 8), of which `outputs` are logits. With
// `backward`, the logits become their gradients: (softmax - [target]) * weight, and 0 behind them.
extern "C" __global__ void __launch_bounds__(BLOCK)
    softmax_loss(real* logits, int stride, int outputs, const u32* targets, const float* weights, float* losses,
                 int backward) {
  __shared__ float shared[BLOCK / 32];
  real* row = logits + (u64)blockIdx.x * stride;
  float largest = -INFINITY_, sum = 0.0f;
  for (int first = threadIdx.x * 8; first < outputs; first += BLOCK * 8) {
    float v[8], top = largest;
    load<8>(row + first, v);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      if (first + i >= outputs) v[i] = -INFINITY_;
      top = fmaxf(top, v[i]);
    }
    sum = sum > 0.0f ? sum * expf(largest - top) : 0.0f;
    largest = top;
#pragma unroll
    for (int i = 0; i < 8; i++) sum += expf(v[i] - largest);
  }
  const float top = block_max(largest, shared);
  sum = block_sum(sum > 0.0f ? sum * expf(largest - top) : 0.0f, shared);
  const float lse = top + logf(sum);
  const int target = targets[blockIdx.x];
  if (threadIdx.x == 0) losses[blockIdx.x] = lse - at(row + target);
  if (!backward) return;
  __syncthreads();
  const float weight = weights[blockIdx.x];
  for (int first = threadIdx.x * 8; first < stride; first += BLOCK * 8) {
    float v[8];
    load<8>(row + first, v);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float p = expf(v[i] - lse) - (first + i == target ? 1.0f : 0.0f);
      v[i] = first + i < outputs ? p * weight : 0.0f;
    }
    store<8>(row + first, v);
  }
}

// result = sum of losses[r] * weights[r]; one block.
extern "C" __global__ void __launch_bounds__(BLOCK)
    sum_losses(const float* losses, const float* weights, int rows, float* result) {
  __shared__ float shared[BLOCK / 32];
  float sum = 0.0f;
  for (int i = threadIdx.x; i < rows; i += BLOCK)
    if (weights[i] > 0.0f) sum += losses[i] * weights[i];
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *result = sum;
}

// ---- losses over the target and `count` sampled negatives of each row. A row's logits stand in errors[row][count + 1], the
// target's first; lists[row] says which list of negatives is the row's.
struct Sampled {
  const real* t;       // [rows][HIDDEN]
  const real* table;   // [outputs][HIDDEN]
  const float* bias;   // [outputs]
  const u32 *targets, *negatives, *lists;
  const float *log_expected, *weights;  // log_expected may be null
  float *errors, *losses;
  int rows, count;
  int binary;          // 1: binary cross-entropy with `power`; 0: sampled softmax
  float power;
};

DEVICE u32 candidate(const Sampled& s, int row, int number) {
  return number == 0 ? s.targets[row] : s.negatives[(u64)s.lists[row] * s.count + number - 1];
}

// A group of lanes for each logit.
extern "C" __global__ void __launch_bounds__(BLOCK) sampled_logits(const Sampled s) {
  const int lane = threadIdx.x % LANES;
  const u64 own = (u64)blockIdx.x * ROWS + threadIdx.x / LANES, all = (u64)s.rows * (s.count + 1);
  const u64 place = own < all ? own : all - 1;
  const int row = place / (s.count + 1), number = place % (s.count + 1);
  const u32 id = candidate(s, row, number);
  float t[HELD], e[HELD], sum = 0.0f;
  load_row(s.t + (u64)row * HIDDEN, lane, t);
  load_row(s.table + (u64)id * HIDDEN, lane, e);
#pragma unroll
  for (int i = 0; i < HELD; i++) sum += t[i] * e[i];
  sum = lane_sum<LANES>(sum);
  if (own < all && lane == 0) s.errors[place] = sum + s.bias[id];
}

// log(1 + e^x)
DEVICE float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }
DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// A warp for each row: its loss, and its logits become their gradients. A negative that is the row's target is none.
extern "C" __global__ void __launch_bounds__(BLOCK) sampled_loss(const Sampled s) {
  const int lane = threadIdx.x % 32, row = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
  if (row >= s.rows) return;
  float* errors = s.errors + (u64)row * (s.count + 1);
  const u64 list = (u64)s.lists[row] * s.count;
  const u32 target = s.targets[row];
  const float weight = s.weights[row], own = errors[0];
  if (s.binary) {
    const float share = weight / (1 + s.count);
    float sum = 0.0f;
    for (int j = 1 + lane; j <= s.count; j += 32) {
      const bool counts = s.negatives[list + j - 1] != target;
      sum += counts ? softplus(errors[j]) : 0.0f;
      errors[j] = counts ? sigmoid(errors[j]) * share : 0.0f;
    }
    sum = lane_sum<32>(sum);
    if (lane == 0) {
      s.losses[row] = (s.power * softplus(-own) + sum) / (1 + s.count);
      errors[0] = -s.power * sigmoid(-own) * share;
    }
    return;
  }
  float largest = own;
  for (int j = 1 + lane; j <= s.count; j += 32)
    if (s.negatives[list + j - 1] != target)
      largest = fmaxf(largest, errors[j] - (s.log_expected ? s.log_expected[list + j - 1] : 0.0f));
  largest = lane_max(largest);
  float sum = lane == 0 ? expf(own - largest) : 0.0f;
  for (int j = 1 + lane; j <= s.count; j += 32) {
    const bool counts = s.negatives[list + j - 1] != target;
    const float e = expf(errors[j] - (s.log_expected ? s.log_expected[list + j - 1] : 0.0f) - largest);
    errors[j] = counts ? e : 0.0f;
    sum += errors[j];
  }
  sum = lane_sum<32>(sum);
  for (int j = 1 + lane; j <= s.count; j += 32) errors[j] *= weight / sum;
  if (lane == 0) {
    s.losses[row] = largest + logf(sum) - own;
    errors[0] = (expf(own - largest) / sum - 1.0f) * weight;
  }
}

// upstream[row] = sum of error * vector over the row's candidates.
extern "C" __global__ void __launch_bounds__(BLOCK) sampled_upstream(const Sampled s, real* upstream) {
  const int lane = threadIdx.x % LANES, row = blockIdx.x * ROWS + threadIdx.x / LANES;
  if (row >= s.rows) return;
  float sum[HELD] = {};
  for (int j = 0; j <= s.count; j++) {
    const float error = s.errors[(u64)row * (s.count + 1) + j];
    float e[HELD];
    load_row(s.table + (u64)candidate(s, row, j) * HIDDEN, lane, e);
#pragma unroll
    for (int i = 0; i < HELD; i++) sum[i] += error * e[i];
  }
  store_row(upstream + (u64)row * HIDDEN, lane, sum);
}
