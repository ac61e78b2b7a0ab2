// The activation and its slope, and sums over the rows of wide matrices.

constexpr int WIDE = VECTOR;
// A block's tile of a wide matrix: groups of WIDE columns side by side, rows below each other.
constexpr int TILE_GROUPS = 8, TILE_ROWS = BLOCK / TILE_GROUPS, TILE_COLUMNS = TILE_GROUPS * WIDE;

DEVICE float activation(float x) {
  if (ACTIVATION == 0) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  if (ACTIVATION == 1) return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * x * (1.0f + 0.044715f * x * x)));
  return fmaxf(x, 0.0f);
}

DEVICE float slope(float x) {
  if (ACTIVATION == 0)
    return 0.5f * (1.0f + erff(x * 0.70710678118654752f)) + x * 0.39894228040143268f * expf(-0.5f * x * x);
  if (ACTIVATION == 1) {
    const float t = tanhf(0.79788456080286536f * x * (1.0f + 0.044715f * x * x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456080286536f * (1.0f + 0.134145f * x * x);
  }
  return x > 0.0f ? 1.0f : 0.0f;
}

extern "C" __global__ void __launch_bounds__(BLOCK) activate(const real* x, real* y, u64 count) {
  const u64 first = ((u64)blockIdx.x * BLOCK + threadIdx.x) * WIDE;
  if (first >= count) return;
  float v[WIDE];
  load<WIDE>(x + first, v);
#pragma unroll
  for (int i = 0; i < WIDE; i++) v[i] = activation(v[i]);
  store<WIDE>(y + first, v);
}

// Adds up what the rows of a tile hold, for partial[blockIdx.y][columns].
DEVICE void tile_sums(const float* sums, float* partial, int columns) {
  __shared__ float shared[TILE_ROWS][TILE_COLUMNS + 1];
  const int group = threadIdx.x % TILE_GROUPS, row = threadIdx.x / TILE_GROUPS;
#pragma unroll
  for (int i = 0; i < WIDE; i++) shared[row][group * WIDE + i] = sums[i];
  __syncthreads();
  const int column = blockIdx.x * TILE_COLUMNS + threadIdx.x;
  if (threadIdx.x < TILE_COLUMNS && column < columns) {
    float sum = 0.0f;
    for (int i = 0; i < TILE_ROWS; i++) sum += shared[i][threadIdx.x];
    partial[(u64)blockIdx.y * columns + column] = sum;
  }
}

// g *= slope(x), in place, and its sums over the rows: partial[gridDim.y][columns]. `columns` is a multiple of WIDE.
extern "C" __global__ void __launch_bounds__(BLOCK)
    activate_backward(const real* x, real* g, float* partial, int rows, int columns) {
  const int column = blockIdx.x * TILE_COLUMNS + threadIdx.x % TILE_GROUPS * WIDE;
  float sums[WIDE] = {};
  for (int row = blockIdx.y * TILE_ROWS + threadIdx.x / TILE_GROUPS; row < rows && column < columns;
       row += gridDim.y * TILE_ROWS) {
    const u64 place = (u64)row * columns + column;
    float v[WIDE], w[WIDE];
    load<WIDE>(x + place, v);
    load<WIDE>(g + place, w);
#pragma unroll
    for (int i = 0; i < WIDE; i++) {
      w[i] *= slope(v[i]);
      sums[i] += w[i];
    }
    store<WIDE>(g + place, w);
  }
  tile_sums(sums, partial, columns);
}

// Sums over the rows of a matrix whose rows have room for a multiple of WIDE columns.
extern "C" __global__ void __launch_bounds__(BLOCK)
    column_sums(const real* g, int stride, float* partial, int rows, int columns) {
  const int column = blockIdx.x * TILE_COLUMNS + threadIdx.x % TILE_GROUPS * WIDE;
  float sums[WIDE] = {};
  for (int row = blockIdx.y * TILE_ROWS + threadIdx.x / TILE_GROUPS; row < rows && column < columns;
       row += gridDim.y * TILE_ROWS) {
    float v[WIDE];
    load<WIDE>(g + (u64)row * stride + column, v);
#pragma unroll
    for (int i = 0; i < WIDE; i++) sums[i] += v[i];
  }
  tile_sums(sums, partial, columns);
}

constexpr int ADDERS = 32;  // warps that share the partial sums of 32 columns

// out[c] += sum over b < count of partial[b * stride + c]
extern "C" __global__ void __launch_bounds__(32 * ADDERS)
    add_partials(const float* partial, int count, int stride, int columns, float* out) {
  __shared__ float shared[ADDERS][32];
  const int column = blockIdx.x * 32 + threadIdx.x % 32, warp = threadIdx.x / 32;
  float sum = 0.0f;
  if (column < columns)
    for (int b = warp; b < count; b += ADDERS) sum += partial[(u64)b * stride + column];
  shared[warp][threadIdx.x % 32] = sum;
  __syncthreads();
  if (warp == 0 && column < columns) {
    for (int w = 1; w < ADDERS; w++) sum += shared[w][threadIdx.x];
    out[column] += sum;
  }
}
