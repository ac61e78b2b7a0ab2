// AdamW over the flat buffers, as src/optimizer.rs has it.

// partial[block] = a block's part of the sum of squares.
extern "C" __global__ void __launch_bounds__(BLOCK) sum_of_squares(const float* g, u64 count, double* partial) {
  __shared__ double shared[BLOCK / 32];
  double sum = 0.0;
  for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < count; i += (u64)gridDim.x * BLOCK) sum += (double)g[i] * g[i];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(ALL, sum, offset);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < BLOCK / 32; w++) sum += shared[w];
    partial[blockIdx.x] = sum;
  }
}

// norm = the root of the parts' sum; one block.
extern "C" __global__ void __launch_bounds__(BLOCK) finish_norm(const double* partial, int count, double* norm) {
  if (threadIdx.x != 0) return;
  double sum = 0.0;
  for (int i = 0; i < count; i++) sum += partial[i];
  *norm = sqrt(sum);
}

struct Buffers {
  float *values, *gradient, *first, *second;
  real* rounded;     // the values as the products take them; null where they are taken as they are
  const u8* decays;  // whether an element decays
  u64 count;
};

// One step, and the gradient is used up. A norm that is not finite changes nothing else.
extern "C" __global__ void __launch_bounds__(BLOCK) adamw(const Buffers b, const Step* step, const double* norm) {
  const u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
  if (i >= b.count) return;
  const double length = *norm;
  const float gradient = b.gradient[i];
  b.gradient[i] = 0.0f;
  if (!(length < 1.7e308)) return;
  const float scale = length > step->limit ? (float)(step->limit / length) : 1.0f;
  const float g = gradient * scale;
  const float m = step->beta1 * b.first[i] + (1.0f - step->beta1) * g;
  const float v = step->beta2 * b.second[i] + (1.0f - step->beta2) * g * g;
  const float kept = b.decays[i] ? b.values[i] * step->keep : b.values[i];
  const float value = kept - step->size * m / (sqrtf(v) * step->root + step->epsilon);
  b.first[i] = m;
  b.second[i] = v;
  b.values[i] = value;
  if (b.rounded) store<1>(b.rounded + i, &value);
}

// out = the numbers as the products take them.
extern "C" __global__ void __launch_bounds__(BLOCK) round_numbers(const float* from, real* out, u64 count) {
  const u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
  if (i < count) store<1>(out + i, from + i);
}
