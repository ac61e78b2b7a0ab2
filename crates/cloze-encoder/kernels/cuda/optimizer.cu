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
  __shared__ double shared[BLOCK];
  double sum = 0.0;
  for (int i = threadIdx.x; i < count; i += BLOCK) sum += partial[i];
  shared[threadIdx.x] = sum;
  __syncthreads();
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) *norm = sqrt(shared[0]);
}

struct Buffers {
  float *values, *gradient, *first, *second;
  real* rounded;     // the values as the products take them; unused where they are taken as they are
  const u8* decays;  // whether an element decays
  u64 count;
};

// One step, four elements to a thread (the buffers have room behind their end), and the gradient is used up. A norm that is
// not finite changes nothing else.
extern "C" __global__ void __launch_bounds__(BLOCK) adamw(const Buffers b, const Step* step, const double* norm) {
  const u64 first = ((u64)blockIdx.x * BLOCK + threadIdx.x) * 4;
  if (first >= b.count) return;
  float4* gradient = reinterpret_cast<float4*>(b.gradient + first);
  const float4 given = *gradient;
  *gradient = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  const double length = *norm;
  if (!(length < 1.7e308)) return;
  const float scale = length > step->limit ? (float)(step->limit / length) : 1.0f;
  const float g[4] = {given.x, given.y, given.z, given.w};
  float4* values = reinterpret_cast<float4*>(b.values + first);
  float4* firsts = reinterpret_cast<float4*>(b.first + first);
  float4* seconds = reinterpret_cast<float4*>(b.second + first);
  const float4 old = *values, old_m = *firsts, old_v = *seconds;
  float p[4] = {old.x, old.y, old.z, old.w}, m[4] = {old_m.x, old_m.y, old_m.z, old_m.w};
  float v[4] = {old_v.x, old_v.y, old_v.z, old_v.w};
  const u32 decays = *reinterpret_cast<const u32*>(b.decays + first);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float x = g[i] * scale;
    m[i] = step->beta1 * m[i] + (1.0f - step->beta1) * x;
    v[i] = step->beta2 * v[i] + (1.0f - step->beta2) * x * x;
    const float kept = decays >> (8 * i) & 0xffu ? p[i] * step->keep : p[i];
    p[i] = kept - step->size * m[i] / (sqrtf(v[i]) * step->root + step->epsilon);
  }
  *values = make_float4(p[0], p[1], p[2], p[3]);
  *firsts = make_float4(m[0], m[1], m[2], m[3]);
  *seconds = make_float4(v[0], v[1], v[2], v[3]);
#if BF16
  *reinterpret_cast<uint2*>(b.rounded + first) = make_uint2(pack_bf16(p[0], p[1]), pack_bf16(p[2], p[3]));
#endif
}

// out = the numbers as the products take them.
extern "C" __global__ void __launch_bounds__(BLOCK) round_numbers(const float* from, real* out, u64 count) {
  const u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
  if (i < count) store<1>(out + i, from + i);
}
