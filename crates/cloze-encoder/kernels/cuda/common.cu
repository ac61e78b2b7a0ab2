// What all kernels share. The files of this folder are one program: compiled together, in the engine's order, by NVRTC
// for the shapes in use, or for tests by a C++ compiler (emulator.hpp). No header is included.
//
// Macros: BF16 (1: activations are bfloat16, 0: float), HIDDEN, INTERMEDIATE, HEADS, HEAD_WIDTH, ACTIVATION (0 GELU by
// the error function, 1 GELU by tanh, 2 ReLU), CAUSAL, EPSILON (of the norms).
//
// Sums over rows are taken in a fixed order, without atomics: the same input gives the same bits.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef CLOZE_EMULATED
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#define DEVICE __device__ __forceinline__

// Two numbers as bfloat16, rounded to nearest even, the first in the low half.
DEVICE u32 pack_bf16(float low, float high) {
  u32 packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
#else
#define DEVICE inline
#endif

#if BF16
typedef u16 real;
#else
typedef float real;
#endif

constexpr int BLOCK = 256;
constexpr u32 ALL = 0xffffffffu;
constexpr u32 KEEP_ALL = 65536u;
#define INFINITY_ __uint_as_float(0x7f800000u)

// ---- numbers in memory: N of them, N = 8 in 16-byte accesses

DEVICE void unpack(u32 pair, float* to) {
  to[0] = __uint_as_float(pair << 16);
  to[1] = __uint_as_float(pair & 0xffff0000u);
}

template <int N> DEVICE void load(const u16* from, float* to) {
  if (N == 8) {
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    unpack(words.x, to), unpack(words.y, to + 2), unpack(words.z, to + 4), unpack(words.w, to + 6);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = __uint_as_float((u32)from[i] << 16);
  }
}

template <int N> DEVICE void load(const float* from, float* to) {
  if (N == 8) {
    const float4 a = reinterpret_cast<const float4*>(from)[0], b = reinterpret_cast<const float4*>(from)[1];
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w, to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = from[i];
  }
}

template <int N> DEVICE void store(u16* to, const float* v) {
  if (N == 8) {
    *reinterpret_cast<uint4*>(to) =
        make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = (u16)pack_bf16(v[i], 0.0f);
  }
}

template <int N> DEVICE void store(float* to, const float* v) {
  if (N == 8) {
    reinterpret_cast<float4*>(to)[0] = make_float4(v[0], v[1], v[2], v[3]);
    reinterpret_cast<float4*>(to)[1] = make_float4(v[4], v[5], v[6], v[7]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = v[i];
  }
}

DEVICE float at(const real* from) {
  float v;
  load<1>(from, &v);
  return v;
}

// ---- sums over the lanes of a warp

// Over groups of `width` neighbouring lanes; each lane gets its group's.
template <int width> DEVICE float lane_sum(float v) {
#pragma unroll
  for (int offset = width / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(ALL, v, offset);
  return v;
}

// Over the lanes with the same number modulo `width`.
template <int width> DEVICE float group_sum(float v) {
#pragma unroll
  for (int offset = 16; offset >= width; offset /= 2) v += __shfl_xor_sync(ALL, v, offset);
  return v;
}

DEVICE float lane_max(float v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) v = fmaxf(v, __shfl_xor_sync(ALL, v, offset));
  return v;
}

// ---- rows of HIDDEN numbers: LANES lanes share a row, each takes every LANES-th piece of VECTOR numbers

DEVICE constexpr int power_above(int n, int power = 1) { return power >= n || power == 32 ? power : power_above(n, 2 * power); }
// With both widths multiples of 8, every parameter and every row begins at a multiple of 16 bytes.
constexpr bool ALIGNED = HIDDEN % 8 == 0 && INTERMEDIATE % 8 == 0;
constexpr int VECTOR = ALIGNED ? 8 : 1;
constexpr int PIECES = HIDDEN / VECTOR;
constexpr int LANES = power_above(PIECES);
constexpr int PER_LANE = (PIECES + LANES - 1) / LANES;
constexpr int HELD = PER_LANE * VECTOR;
constexpr int ROWS = BLOCK / LANES;

DEVICE bool has_piece(int lane, int p) { return PER_LANE * LANES == PIECES || lane + p * LANES < PIECES; }
DEVICE int column_of(int lane, int p) { return (lane + p * LANES) * VECTOR; }

template <class T> DEVICE void load_row(const T* row, int lane, float* v) {
#pragma unroll
  for (int p = 0; p < PER_LANE; p++) {
    if (has_piece(lane, p)) {
      load<VECTOR>(row + column_of(lane, p), v + p * VECTOR);
    } else {
      for (int i = 0; i < VECTOR; i++) v[p * VECTOR + i] = 0.0f;
    }
  }
}

template <class T> DEVICE void store_row(T* row, int lane, const float* v) {
#pragma unroll
  for (int p = 0; p < PER_LANE; p++)
    if (has_piece(lane, p)) store<VECTOR>(row + column_of(lane, p), v + p * VECTOR);
}

DEVICE void add_row(const real* row, int lane, float* v) {
  float w[HELD];
  load_row(row, lane, w);
#pragma unroll
  for (int i = 0; i < HELD; i++) v[i] += w[i];
}

// ---- dropout: src/dropout.rs says which bits belong to which element

struct Dropout {
  u32 keep16;
  float scale16;
  u32 keep8;
  float scale8;
  u32 key0, key1;
};

// What changes from step to step; written by the host.
struct Step {
  u32 number;
  float size, root, keep, limit, beta1, beta2, epsilon;
};

// Philox 4x32-10.
DEVICE uint4 philox(uint4 c, u32 k0, u32 k1) {
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const u32 a = 0xD2511F53u * c.x, a_high = __umulhi(0xD2511F53u, c.x);
    const u32 b = 0xCD9E8D57u * c.z, b_high = __umulhi(0xCD9E8D57u, c.z);
    c = make_uint4(b_high ^ c.y ^ k0, b, a_high ^ c.w ^ k1, a);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Drops elements of a row of hidden states and scales the others.
DEVICE void drop_row(float* v, const Dropout& d, const Step* step, u32 site, u32 row, int lane) {
  if (d.keep16 >= KEEP_ALL) return;
#pragma unroll
  for (int p = 0; p < PER_LANE; p++) {
    const int column = column_of(lane, p);
    const u64 call = (u64)row * ((HIDDEN + 7) / 8) + column / 8;
    const uint4 drawn = philox(make_uint4((u32)call, (u32)(call >> 32), step->number, site), d.key0, d.key1);
    const u32 words[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
#pragma unroll
    for (int i = 0; i < VECTOR; i++) {
      const int half = VECTOR == 8 ? i : column % 8;
      const u32 bits = (words[half / 2] >> (half % 2 * 16)) & 0xffffu;
      v[p * VECTOR + i] = bits < d.keep16 ? v[p * VECTOR + i] * d.scale16 : 0.0f;
    }
  }
}

// ---- layer norm of a row: v becomes (v - mean) / deviation. Returns 1 / deviation.
DEVICE float normalize(float* v, int lane) {
  float sum = 0.0f, squares = 0.0f;
#pragma unroll
  for (int i = 0; i < HELD; i++) sum += v[i];
  const float mean = lane_sum<LANES>(sum) / HIDDEN;
#pragma unroll
  for (int p = 0; p < PER_LANE; p++)
#pragma unroll
    for (int i = 0; i < VECTOR; i++) {
      float& x = v[p * VECTOR + i];
      x = has_piece(lane, p) ? x - mean : 0.0f;
      squares += x * x;
    }
  const float inverse = 1.0f / sqrtf(lane_sum<LANES>(squares) / HIDDEN + EPSILON);
#pragma unroll
  for (int i = 0; i < HELD; i++) v[i] *= inverse;
  return inverse;
}

// Scale and bias of a norm, `[2][HIDDEN]`.
DEVICE void scale_and_shift(float* v, const float* norm, int lane) {
  float scale[HELD], bias[HELD];
  load_row(norm, lane, scale);
  load_row(norm + HIDDEN, lane, bias);
#pragma unroll
  for (int i = 0; i < HELD; i++) v[i] = v[i] * scale[i] + bias[i];
}
