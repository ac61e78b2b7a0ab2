// Gradients of tables of vectors: each vector's is a sum over the rows that used it. The host sorts the rows by vector and
// cuts long runs into chunks (those behind the last are empty): a warp adds up a chunk, and where a vector has several, a block adds these in order.

// entries[begin..end] belong to vector `id`. slot: place of the sum in `partial`, or NO_SLOT: it goes straight to the table.
struct Chunk {
  u32 id, begin, end, slot;
};
constexpr u32 NO_SLOT = 0xffffffffu;
constexpr int PARTIAL = HIDDEN + 8;  // a chunk's sum, and behind it the sum of its coefficients

struct Segments {
  const real* rows;            // an entry e means row e / per_row
  const u32* entries;
  const float* coefficients;   // of each entry by its value e; null: 1
  const Chunk *chunks, *runs;  // runs: the vectors with several chunks, begin..end of their slots
  float *table, *bias;         // bias, or null: the coefficients' sums are added to it
  float* partial;
  u32 per_row;
  int chunk_count, run_count;
  u32 unused;
};

extern "C" __global__ void __launch_bounds__(BLOCK) add_chunks(const Segments s) {
  const int lane = threadIdx.x % LANES, group = threadIdx.x % 32 / LANES;
  const int number = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
  if (number >= s.chunk_count) return;
  const Chunk chunk = s.chunks[number];
  if (chunk.begin == chunk.end) return;
  float sum[HELD] = {}, total = 0.0f;
  for (u32 i = chunk.begin + group; i < chunk.end; i += 32 / LANES) {
    const u32 entry = s.entries[i];
    const float coefficient = s.coefficients ? s.coefficients[entry] : 1.0f;
    float v[HELD];
    load_row(s.rows + (u64)(entry / s.per_row) * HIDDEN, lane, v);
#pragma unroll
    for (int k = 0; k < HELD; k++) sum[k] += coefficient * v[k];
    total += coefficient;
  }
#pragma unroll
  for (int k = 0; k < HELD; k++) sum[k] = group_sum<LANES>(sum[k]);
  total = group_sum<LANES>(total);
  if (group != 0) return;
  if (chunk.slot == NO_SLOT) {
    float* to = s.table + (u64)chunk.id * HIDDEN;
    float old[HELD];
    load_row(to, lane, old);
#pragma unroll
    for (int k = 0; k < HELD; k++) sum[k] += old[k];
    store_row(to, lane, sum);
    if (s.bias && lane == 0) s.bias[chunk.id] += total;
  } else {
    float* to = s.partial + (u64)chunk.slot * PARTIAL;
    store_row(to, lane, sum);
    if (lane == 0) to[HIDDEN] = total;
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_runs(const Segments s) {
  const Chunk run = s.runs[blockIdx.x];
  if (run.begin == run.end) return;
  for (int column = threadIdx.x; column <= HIDDEN; column += BLOCK) {
    float sum = 0.0f;
    for (u32 slot = run.begin; slot < run.end; slot++) sum += s.partial[(u64)slot * PARTIAL + column];
    if (column < HIDDEN) {
      s.table[(u64)run.id * HIDDEN + column] += sum;
    } else if (s.bias) {
      s.bias[run.id] += sum;
    }
  }
}
