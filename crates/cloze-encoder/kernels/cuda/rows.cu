// Embedding, and the joins of residual and branch with their norms. A group of LANES lanes computes a row; backward kernels
// compute again what the forward pass did not keep, and leave each block's sums over its rows in `partial`.

// The tables whose vectors are summed, and each row's place in them. Absent tables are null.
struct Embedding {
  const real *tokens, *positions, *types;
  const u32 *token, *position, *type;
};

DEVICE void embedded_row(const Embedding& e, int row, int lane, float* v) {
  load_row(e.tokens + (u64)e.token[row] * HIDDEN, lane, v);
  if (e.positions) add_row(e.positions + (u64)e.position[row] * HIDDEN, lane, v);
  if (e.types) add_row(e.types + (u64)e.type[row] * HIDDEN, lane, v);
}

// out = drop(norm(sum of vectors)), or without a norm drop(sum).
extern "C" __global__ void __launch_bounds__(BLOCK)
    embed(const Embedding e, const float* norm, real* out, int rows, const Dropout d, const Step* step) {
  const int lane = threadIdx.x % LANES, own = blockIdx.x * ROWS + threadIdx.x / LANES;
  const int row = own < rows ? own : rows - 1;
  float v[HELD];
  embedded_row(e, row, lane, v);
  if (norm) {
    normalize(v, lane);
    scale_and_shift(v, norm, lane);
  }
  drop_row(v, d, step, 0, row, lane);
  if (own < rows) store_row(out + (u64)row * HIDDEN, lane, v);
}

// Adds up a block's sums in shared memory and writes them to partial[block][HIDDEN].
DEVICE void block_sums(float* v, float* partial) {
  __shared__ float sums[HIDDEN];
  const int lane = threadIdx.x % LANES;
#pragma unroll
  for (int i = 0; i < HELD; i++) v[i] = group_sum<LANES>(v[i]);
  for (int warp = 0; warp < BLOCK / 32; warp++) {
    if (threadIdx.x / 32 == warp && threadIdx.x % 32 < LANES) {
#pragma unroll
      for (int p = 0; p < PER_LANE; p++)
        if (has_piece(lane, p))
          for (int i = 0; i < VECTOR; i++) {
            const int column = column_of(lane, p) + i;
            sums[column] = (warp ? sums[column] : 0.0f) + v[p * VECTOR + i];
          }
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; i < HIDDEN; i += BLOCK) partial[i] = sums[i];
  __syncthreads();
}

// A row's gradient through a norm: from `gradient` of its result and the normalized row; adds to the sums of the norm's
// gradients. `gradient` becomes that of the norm's input.
DEVICE void norm_backward(float* gradient, const float* normalized, float inverse, const float* scale, float* d_scale,
                          float* d_bias) {
  float first = 0.0f, second = 0.0f;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    d_scale[i] += gradient[i] * normalized[i];
    d_bias[i] += gradient[i];
    gradient[i] *= scale[i];
    first += gradient[i];
    second += gradient[i] * normalized[i];
  }
  first = lane_sum<LANES>(first) / HIDDEN;
  second = lane_sum<LANES>(second) / HIDDEN;
#pragma unroll
  for (int i = 0; i < HELD; i++) gradient[i] = inverse * (gradient[i] - first - normalized[i] * second);
}

// partial: [blocks][2][HIDDEN], the norm's gradients; unused without a norm.
extern "C" __global__ void __launch_bounds__(BLOCK)
    embed_backward(const Embedding e, const float* norm, const real* upstream, real* out, float* partial, int rows,
                   const Dropout d, const Step* step) {
  const int lane = threadIdx.x % LANES;
  float scale[HELD], d_scale[HELD] = {}, d_bias[HELD] = {};
  if (norm) load_row(norm, lane, scale);
  for (int first = blockIdx.x * ROWS; first < rows; first += gridDim.x * ROWS) {
    const int own = first + threadIdx.x / LANES, row = own < rows ? own : rows - 1;
    float g[HELD];
    load_row(upstream + (u64)row * HIDDEN, lane, g);
    drop_row(g, d, step, 0, row, lane);
    if (own >= rows) {
      for (int i = 0; i < HELD; i++) g[i] = 0.0f;
    }
    if (norm) {
      float v[HELD];
      embedded_row(e, row, lane, v);
      const float inverse = normalize(v, lane);
      norm_backward(g, v, inverse, scale, d_scale, d_bias);
    }
    if (own < rows) store_row(out + (u64)row * HIDDEN, lane, g);
  }
  if (norm) {
    block_sums(d_scale, partial + (u64)blockIdx.x * 2 * HIDDEN);
    block_sums(d_bias, partial + (u64)blockIdx.x * 2 * HIDDEN + HIDDEN);
  }
}

// A residual, a branch and a norm: sum = residual + drop(branch), out = norm(sum). `residual_rows` names the residual's rows,
// null: in order. Without a branch, the norm alone. `sum` may be null: not wanted.
struct Join {
  const real* residual;
  const u32* residual_rows;
  const real* branch;
  real* sum;
  const float* norm;
  real* out;
  int rows;
  u32 site;
};

DEVICE void joined_row(const Join& j, int row, int lane, const Dropout& d, const Step* step, float* v) {
  const u64 place = j.residual_rows ? j.residual_rows[row] : row;
  load_row(j.residual + place * HIDDEN, lane, v);
  if (j.branch) {
    float w[HELD];
    load_row(j.branch + (u64)row * HIDDEN, lane, w);
    drop_row(w, d, step, j.site, row, lane);
#pragma unroll
    for (int i = 0; i < HELD; i++) v[i] += w[i];
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK) join(const Join j, const Dropout d, const Step* step) {
  const int lane = threadIdx.x % LANES, own = blockIdx.x * ROWS + threadIdx.x / LANES;
  const int row = own < j.rows ? own : j.rows - 1;
  float v[HELD];
  joined_row(j, row, lane, d, step, v);
  if (j.sum && own < j.rows) store_row(j.sum + (u64)row * HIDDEN, lane, v);
  normalize(v, lane);
  scale_and_shift(v, j.norm, lane);
  if (own < j.rows) store_row(j.out + (u64)row * HIDDEN, lane, v);
}

// From the gradients of `out` and (or null) of `sum`: d_residual, [rows][HIDDEN], and d_branch, or null where it is the same
// (no dropout). partial: [blocks][3][HIDDEN], the gradients of the norm and the sum of the branch's gradient over its rows.
extern "C" __global__ void __launch_bounds__(BLOCK)
    join_backward(const Join j, const real* d_out, const real* d_sum, real* d_residual, real* d_branch, float* partial,
                  const Dropout d, const Step* step) {
  const int lane = threadIdx.x % LANES;
  float scale[HELD], d_scale[HELD] = {}, d_bias[HELD] = {}, branch_sum[HELD] = {};
  load_row(j.norm, lane, scale);
  for (int first = blockIdx.x * ROWS; first < j.rows; first += gridDim.x * ROWS) {
    const int own = first + threadIdx.x / LANES, row = own < j.rows ? own : j.rows - 1;
    float v[HELD], g[HELD];
    joined_row(j, row, lane, d, step, v);
    const float inverse = normalize(v, lane);
    load_row(d_out + (u64)row * HIDDEN, lane, g);
    if (own >= j.rows) {
      for (int i = 0; i < HELD; i++) g[i] = 0.0f;
    }
    norm_backward(g, v, inverse, scale, d_scale, d_bias);
    if (d_sum && own < j.rows) add_row(d_sum + (u64)row * HIDDEN, lane, g);
    if (own < j.rows) store_row(d_residual + (u64)row * HIDDEN, lane, g);
    if (j.branch) {
      drop_row(g, d, step, j.site, row, lane);
      if (d_branch && own < j.rows) store_row(d_branch + (u64)row * HIDDEN, lane, g);
#pragma unroll
      for (int i = 0; i < HELD; i++) branch_sum[i] += g[i];
    }
  }
  float* sums = partial + (u64)blockIdx.x * 3 * HIDDEN;
  block_sums(d_scale, sums);
  block_sums(d_bias, sums + HIDDEN);
  if (j.branch) block_sums(branch_sum, sums + 2 * HIDDEN);
}

// out[i] = from[rows[i]]
extern "C" __global__ void __launch_bounds__(BLOCK) gather(const real* from, const u32* rows, real* out, int count) {
  const int lane = threadIdx.x % LANES, row = blockIdx.x * ROWS + threadIdx.x / LANES;
  if (row >= count) return;
  float v[HELD];
  load_row(from + (u64)rows[row] * HIDDEN, lane, v);
  store_row(out + (u64)row * HIDDEN, lane, v);
}

// out[rows[i]] += from[i]; no row occurs twice.
extern "C" __global__ void __launch_bounds__(BLOCK) scatter_add(const real* from, const u32* rows, real* out, int count) {
  const int lane = threadIdx.x % LANES, row = blockIdx.x * ROWS + threadIdx.x / LANES;
  if (row >= count) return;
  real* to = out + (u64)rows[row] * HIDDEN;
  float v[HELD];
  load_row(from + (u64)row * HIDDEN, lane, v);
  add_row(to, lane, v);
  store_row(to, lane, v);
}
