// Runs CUDA C++ kernels on the processor, for tests on machines without a GPU.
//
// The blocks of a grid run one after another, the threads of a block as fibers on the calling OS thread: a fiber runs
// until it waits at a barrier or a warp exchange, then the next one goes on. Whatever CUDA leaves undefined shows where
// it can: shared memory begins as NaN, a shuffle from a lane that is not there gives NaN, threads start in ascending
// order in even blocks and in descending order in odd ones (a missing barrier is right in one of them at most), and a
// block whose threads all wait ends in a message. All state is global: one launch at a time.
#pragma once

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <tuple>
#include <utility>

#if defined(__x86_64__) && defined(__ELF__) && !defined(CLOZE_EMULATED_UCONTEXT)
#define EMULATED_ASSEMBLY 1
#else
#include <ucontext.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#ifdef __ELF__
// One section holds all static shared memory, to be filled with NaN before each block.
#define __shared__ static __attribute__((section("emulated_shared")))
#else
#define __shared__ static
#endif
/// Declares the block's dynamic shared memory.
#define DYNAMIC_SHARED(name) unsigned char* const name = emulator::dynamic_shared;

struct dim3 { unsigned x, y, z; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

static dim3 threadIdx, blockIdx, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};

namespace emulator {

constexpr unsigned WARP = 32, MOST_THREADS = 1024, NOBODY = ~0u, ALL_LANES = ~0u;
constexpr size_t STACK = 64 << 10, STACK_GUARD = 64 << 10, MOST_SHARED = 256 << 10, SHARED_GUARD = 256;

/// Dynamic shared memory, and behind it bytes that must stay 0xFF.
alignas(128) static unsigned char dynamic_shared[MOST_SHARED + SHARED_GUARD];

/// Memory for stacks, of one launch at a time. The host has it, zero at first, and shares it among programs: each stack takes
/// two of the 65,530 mappings that a process may have.
struct Stacks {
    unsigned char* start;
    unsigned ready;  // how many may be written
};

/// A stack on which threads run: one after another, as long as none of them waits.
struct Fiber {
#ifdef EMULATED_ASSEMBLY
    void* stack_pointer;
#else
    ucontext_t context;
#endif
};

/// What the lanes of a warp do together.
enum Operation : unsigned { SYNC, SHUFFLE, VOTE, MULTIPLY, LOAD, LOAD_TRANSPOSED };
static const char* const OPERATIONS[] = {"__syncwarp", "__shfl_sync", "__ballot_sync",
                                         "mma_16816",  "ldmatrix4",   "ldmatrix4_trans"};

/// A lane's part in an exchange: what it gives, and then what it gets.
struct Lane {
    Operation operation;
    unsigned mask;    // the lanes that it expects
    unsigned source;  // of a shuffle
    union {
        uint64_t word;
        unsigned rows[4];
        const unsigned char* address;
        struct { unsigned a[4], b[2]; float c[4]; } fragment;
    };
};

/// Masks of a warp's lanes: those not returned, those that can run, those that wait.
struct Warp { unsigned live, ready, exchanging, at_barrier; };

static Lane lanes[MOST_THREADS];
static Warp warps[MOST_THREADS / WARP];
static Fiber* fiber_of[MOST_THREADS];  // none before a thread starts
static Fiber fibers[MOST_THREADS], launcher;
static Fiber* idle[MOST_THREADS];
static Stacks* stacks;
static unsigned fibers_made, idle_count;
static unsigned warp_count, live_count, barrier_count, current;
static bool descending, failed;
static char message[512];
static const char* kernel_name = "";
static void (*kernel_call)(void*);
static void* kernel_arguments;

#ifdef EMULATED_ASSEMBLY
// Leaves one stack and goes on with another. The registers that a function must keep travel on the stack.
extern "C" __attribute__((visibility("hidden"))) void emulated_switch(void** from, void* to);
asm(R"(
    .text
    .p2align 4
    .globl emulated_switch
    .hidden emulated_switch
    .type emulated_switch, @function
emulated_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size emulated_switch, . - emulated_switch
)");
static inline void switch_fiber(Fiber* from, Fiber* to) { emulated_switch(&from->stack_pointer, to->stack_pointer); }
#else
static inline void switch_fiber(Fiber* from, Fiber* to) { swapcontext(&from->context, &to->context); }
#endif

/// Ends the launch with a message; called on a fiber.
[[noreturn]] __attribute__((format(printf, 1, 2))) static void fail(const char* format, ...) {
    int used = snprintf(message, sizeof message, "%s, block (%u, %u), thread %u: ", kernel_name, blockIdx.x, blockIdx.y,
                        current);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + used, sizeof message - used, format, arguments);
    va_end(arguments);
    failed = true;
    switch_fiber(fiber_of[current], &launcher);
    abort();  // nobody goes on with a failed fiber
}

/// All threads of the block wait.
[[noreturn]] static void deadlock() {
    unsigned at_barrier = 0, exchanging = 0, barrier_thread = NOBODY, exchange_thread = NOBODY;
    for (unsigned warp = warp_count; warp-- > 0;) {
        at_barrier += __builtin_popcount(warps[warp].at_barrier);
        exchanging += __builtin_popcount(warps[warp].exchanging);
        if (warps[warp].at_barrier) barrier_thread = warp * WARP + __builtin_ctz(warps[warp].at_barrier);
        if (warps[warp].exchanging) exchange_thread = warp * WARP + __builtin_ctz(warps[warp].exchanging);
    }
    char who[128] = "nobody waits in a warp exchange";
    if (exchanging)
        snprintf(who, sizeof who, "%u in a warp exchange (first: thread %u, in %s of lanes %08x)", exchanging,
                 exchange_thread, OPERATIONS[lanes[exchange_thread].operation], lanes[exchange_thread].mask);
    fail("deadlock: of %u threads left, %u wait at __syncthreads (first: thread %d), %s", live_count, at_barrier,
         (int)barrier_thread, who);
}

/// The thread that runs next: of the current one's warp, else of the next warp with one; or nobody.
static inline unsigned next_thread() {
    unsigned home = current / WARP, lane = current % WARP, ready = warps[home].ready;
    if (ready) {
        unsigned ahead = ready & (descending ? ~0u >> (WARP - 1 - lane) : ~0u << lane);
        if (ahead) ready = ahead;
        return home * WARP + (descending ? 31 - __builtin_clz(ready) : __builtin_ctz(ready));
    }
    for (unsigned other = home, step = 1; step < warp_count; step++) {
        if (descending) other = (other ? other : warp_count) - 1;
        else other = other + 1 < warp_count ? other + 1 : 0;
        ready = warps[other].ready;
        if (ready) return other * WARP + (descending ? 31 - __builtin_clz(ready) : __builtin_ctz(ready));
    }
    return NOBODY;
}

[[noreturn]] static void work();

#ifndef EMULATED_ASSEMBLY
static void work_context() { work(); }
#endif

/// Lets a fiber begin at the start of its stack. Stack tops differ modulo 4096, else all would share cache sets.
static void prepare(Fiber* fiber) {
    const size_t stride = STACK + STACK_GUARD, index = fiber - fibers;
    if (!stacks->start) {
        void* all = mmap(nullptr, stride * MOST_THREADS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED) { perror("emulator: stacks"); abort(); }
        stacks->start = (unsigned char*)all;
    }
    unsigned char* bottom = stacks->start + index * stride + STACK_GUARD;
    if (index >= stacks->ready) {
        if (mprotect(bottom, STACK, PROT_READ | PROT_WRITE)) { perror("emulator: stack"); abort(); }
        stacks->ready = index + 1;
    }
    const size_t size = STACK - index * 320 % 4096 / 64 * 64;
#ifdef EMULATED_ASSEMBLY
    // Six registers, the address to go to, and one word in place of a caller's return address.
    void** top = (void**)(bottom + size) - 8;
    memset(top, 0, 8 * sizeof *top);
    top[6] = (void*)&work;
    fiber->stack_pointer = top;
#else
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = bottom;
    fiber->context.uc_stack.ss_size = size;
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, work_context, 0);
#endif
}

/// Leaves the running fiber and goes on with a thread.
static inline void enter(Fiber* from, unsigned thread) {
    current = threadIdx.x = thread;
    if (!fiber_of[thread]) {
        if (!idle_count) {
            Fiber* made = &fibers[fibers_made++];
            prepare(made);
            idle[idle_count++] = made;
        }
        fiber_of[thread] = idle[--idle_count];
    }
    switch_fiber(from, fiber_of[thread]);
}

/// Lets others run until the current thread is ready again.
__attribute__((noinline)) static void wait_ready() {
    unsigned next = next_thread();
    if (next == NOBODY) deadlock();
    enter(fiber_of[current], next);
}

/// D = A B + D of `mma.sync.m16n8k16`, for the whole warp.
static void multiply(Lane* warp) {
    float a[16][16], b[16][8], c[16][8];
    auto unpack = [](unsigned pair, float& low, float& high) {
        unsigned bits[2] = {pair << 16, pair & 0xFFFF0000u};
        memcpy(&low, &bits[0], 4);
        memcpy(&high, &bits[1], 4);
    };
    for (unsigned lane = 0; lane < WARP; lane++) {
        const auto& part = warp[lane].fragment;
        unsigned g = lane / 4, t = lane % 4 * 2;
        for (unsigned i = 0; i < 4; i++) unpack(part.a[i], a[g + i % 2 * 8][t + i / 2 * 8], a[g + i % 2 * 8][t + i / 2 * 8 + 1]);
        for (unsigned i = 0; i < 2; i++) unpack(part.b[i], b[t + i * 8][g], b[t + i * 8 + 1][g]);
        for (unsigned i = 0; i < 4; i++) c[g + i / 2 * 8][t + i % 2] = part.c[i];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 16; k++)
            for (unsigned j = 0; j < 8; j++) c[i][j] += a[i][k] * b[k][j];
    for (unsigned lane = 0; lane < WARP; lane++)
        for (unsigned i = 0; i < 4; i++) warp[lane].fragment.c[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

/// Four 8x8 matrices of 16-bit elements, for the whole warp.
static void load(Lane* warp, bool transposed) {
    const unsigned char* rows[WARP];
    for (unsigned lane = 0; lane < WARP; lane++) {
        rows[lane] = warp[lane].address;
        if ((uintptr_t)rows[lane] % 16) fail("ldmatrix4: lane %u's row is not at a multiple of 16 bytes", lane);
    }
    for (unsigned lane = 0; lane < WARP; lane++)
        for (unsigned matrix = 0; matrix < 4; matrix++) {
            unsigned g = lane / 4, t = lane % 4 * 2;
            uint16_t pair[2];
            for (unsigned i = 0; i < 2; i++)
                memcpy(&pair[i], transposed ? rows[matrix * 8 + t + i] + g * 2 : rows[matrix * 8 + g] + (t + i) * 2, 2);
            warp[lane].rows[matrix] = pair[0] | (unsigned)pair[1] << 16;
        }
}

/// Gives each member lane what it gets from an exchange.
static void complete(Lane* warp, unsigned members) {
    const Lane& first = warp[__builtin_ctz(members)];
    uint64_t words[WARP];
    unsigned votes = 0;
    for (unsigned lane = 0; lane < WARP; lane++) {
        words[lane] = ~0ull;
        if (!(members >> lane & 1)) continue;
        if (warp[lane].operation != first.operation || warp[lane].mask != first.mask)
            fail("a warp's lanes differ: lane %u is in %s of lanes %08x, lane %u in %s of lanes %08x",
                 __builtin_ctz(members), OPERATIONS[first.operation], first.mask, lane,
                 OPERATIONS[warp[lane].operation], warp[lane].mask);
        words[lane] = warp[lane].word;
        votes |= (unsigned)(words[lane] & 1) << lane;
    }
    if (first.operation >= MULTIPLY && members != ALL_LANES)
        fail("%s needs all 32 lanes, there are %08x", OPERATIONS[first.operation], members);
    if (first.operation == MULTIPLY) multiply(warp);
    if (first.operation == LOAD) load(warp, false);
    if (first.operation == LOAD_TRANSPOSED) load(warp, true);
    if (first.operation != SHUFFLE && first.operation != VOTE) return;
    for (unsigned lane = 0; lane < WARP; lane++)
        if (members >> lane & 1) warp[lane].word = first.operation == VOTE ? votes : words[warp[lane].source];
}

/// Completes the exchange among the lanes of `mask`, if all of them that are left have come.
static inline bool settle(unsigned home, unsigned mask) {
    Warp& warp = warps[home];
    unsigned members = mask & warp.live;
    if ((warp.exchanging & members) != members) return false;
    if (members) complete(lanes + home * WARP, members);
    warp.exchanging &= ~members;
    warp.ready |= members;
    return true;
}

/// The current thread takes part in an exchange: its lane is filled before, and holds what it gets after.
static inline void exchange(Operation operation, unsigned mask) {
    unsigned home = current / WARP, bit = 1u << current % WARP;
    if (!(mask & bit)) fail("%s: lanes %08x leave out the calling lane %u", OPERATIONS[operation], mask, current % WARP);
    lanes[current].operation = operation;
    lanes[current].mask = mask;
    warps[home].exchanging |= bit;
    if (settle(home, mask)) return;
    warps[home].ready &= ~bit;
    wait_ready();
}

/// All threads that are left have come to the barrier.
static void open_barrier() {
    barrier_count = 0;
    for (unsigned warp = 0; warp < warp_count; warp++) {
        warps[warp].ready |= warps[warp].at_barrier;
        warps[warp].at_barrier = 0;
    }
}

/// The current thread has returned: others may have waited for it alone.
static inline void leave() {
    unsigned home = current / WARP, bit = 1u << current % WARP;
    warps[home].live &= ~bit;
    warps[home].ready &= ~bit;
    live_count--;
    for (unsigned left = warps[home].exchanging; left; left &= left - 1)
        if (warps[home].exchanging & (left & -left)) settle(home, lanes[home * WARP + __builtin_ctz(left)].mask);
    if (barrier_count && barrier_count == live_count) open_barrier();
}

/// A fiber's life: the kernel for one thread after another.
[[noreturn]] static void work() {
    for (;;) {
        kernel_call(kernel_arguments);
        Fiber* mine = fiber_of[current];
        leave();
        unsigned next = next_thread();
        if (next != NOBODY && !fiber_of[next]) {
            fiber_of[next] = mine;
            current = threadIdx.x = next;
            continue;
        }
        if (next == NOBODY && live_count) deadlock();
        idle[idle_count++] = mine;
        if (next == NOBODY) switch_fiber(mine, &launcher);
        else enter(mine, next);
    }
}

#ifdef __ELF__
__attribute__((section("emulated_shared"), used)) static unsigned char section_exists;
extern "C" __attribute__((visibility("hidden"))) unsigned char __start_emulated_shared[], __stop_emulated_shared[];
static inline void fill_static() {
    memset(__start_emulated_shared, 0xFF, __stop_emulated_shared - __start_emulated_shared);
}
#else
static inline void fill_static() {}
#endif

/// Runs the block `blockIdx`; whether all went well.
static bool run_block(unsigned shared) {
    unsigned threads = blockDim.x;
    memset(fiber_of, 0, threads * sizeof *fiber_of);
    memset(dynamic_shared, 0xFF, shared + SHARED_GUARD);
    fill_static();
    warp_count = (threads + WARP - 1) / WARP;
    for (unsigned warp = 0; warp < warp_count; warp++) {
        unsigned left = threads - warp * WARP, all = left >= WARP ? ALL_LANES : (1u << left) - 1;
        warps[warp] = {all, all, 0, 0};
    }
    live_count = threads;
    barrier_count = 0;
    descending = (blockIdx.x + blockIdx.y) % 2;
    enter(&launcher, descending ? threads - 1 : 0);
    for (unsigned i = 0; i < SHARED_GUARD && !failed; i++)
        if (dynamic_shared[shared + i] != 0xFF) {
            snprintf(message, sizeof message, "%s, block (%u, %u): wrote behind its %u bytes of dynamic shared memory",
                     kernel_name, blockIdx.x, blockIdx.y, shared);
            failed = true;
        }
    return !failed;
}

/// Runs a grid; the message if it failed.
static const char* run(unsigned gx, unsigned gy, unsigned threads, unsigned shared) {
    static bool filled = false;
    if (threads < 1 || threads > MOST_THREADS || shared > MOST_SHARED) {
        snprintf(message, sizeof message, "%s: %u threads, %u bytes of shared memory: at most %u and %zu", kernel_name,
                 threads, shared, MOST_THREADS, MOST_SHARED);
        return message;
    }
    if (!filled || failed) {
        memset(dynamic_shared, 0xFF, sizeof dynamic_shared);
        filled = true;
        failed = false;
    }
    // Another program may have had the stacks since, and a failed launch leaves fibers in the middle.
    fibers_made = idle_count = 0;
    blockDim = {threads, 1, 1};
    gridDim = {gx, gy, 1};
    for (blockIdx.y = 0; blockIdx.y < gy; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < gx; blockIdx.x++)
            if (!run_block(shared)) return message;
    return nullptr;
}

template <class... A, size_t... I>
static const char* launch(void (*kernel)(A...), std::index_sequence<I...>, unsigned gx, unsigned gy, unsigned threads,
                          unsigned shared, void** arguments) {
    const size_t words[] = {(sizeof(A) + 7) / 8 ..., 0};
    for (size_t i = 0; i <= sizeof...(A); i++) {
        bool last = i == sizeof...(A), ends = !arguments[i];
        bool fits = last || ends || !arguments[i + 1] || (char*)arguments[i] + words[i] * 8 == (char*)arguments[i + 1];
        if (last == ends && fits) continue;
        snprintf(message, sizeof message, "%s takes %zu arguments: number %zu is %s", kernel_name, sizeof...(A), i,
                 !fits ? "of another size" : ends ? "missing" : "too many");
        return message;
    }
    struct Call { void (*kernel)(A...); std::tuple<A...> arguments; };
    Call call{kernel, std::tuple<A...>(*(A*)arguments[I]...)};
    kernel_call = [](void* at) { std::apply(((Call*)at)->kernel, ((Call*)at)->arguments); };
    kernel_arguments = &call;
    return run(gx, gy, threads, shared);
}

template <class... A>
static const char* launch(const char* name, void (*kernel)(A...), unsigned gx, unsigned gy, unsigned threads,
                          unsigned shared, void** arguments) {
    kernel_name = name;
    return launch(kernel, std::index_sequence_for<A...>(), gx, gy, threads, shared, arguments);
}

/// In place of a kernel that the macros leave out of the program.
struct Absent {};
static const char* launch(const char* name, Absent, unsigned, unsigned, unsigned, unsigned, void**) {
    snprintf(message, sizeof message, "%s is not in the program with these macros", name);
    return message;
}

template <class T>
static inline T shuffle(unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= 8, "a shuffle takes numbers");
    Lane& self = lanes[current];
    memcpy(&self.word, &value, sizeof value);
    self.source = source;
    exchange(SHUFFLE, mask);
    memcpy(&value, &self.word, sizeof value);
    return value;
}

static inline unsigned vote(unsigned mask, bool value) {
    Lane& self = lanes[current];
    self.word = value;
    exchange(VOTE, mask);
    return (unsigned)self.word;
}

static inline void load_rows(Operation operation, unsigned r[4], const void* row) {
    Lane& self = lanes[current];
    self.address = (const unsigned char*)row;
    exchange(operation, ALL_LANES);
    memcpy(r, self.rows, sizeof self.rows);
}

template <class To, class From>
static inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

static inline unsigned bf16(float value) {
    unsigned word = bits<unsigned>(value);
    if (value != value) return word >> 16 | 0x40;
    return (word + 0x7FFF + (word >> 16 & 1)) >> 16;
}

}  // namespace emulator

// Barriers and warp exchanges.
static inline void __syncthreads() {
    using namespace emulator;
    if (++barrier_count == live_count) return open_barrier();
    unsigned bit = 1u << current % WARP;
    warps[current / WARP].ready &= ~bit;
    warps[current / WARP].at_barrier |= bit;
    wait_ready();
}
static inline void __syncwarp(unsigned mask = ~0u) { emulator::exchange(emulator::SYNC, mask); }
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    unsigned lane = threadIdx.x % 32;
    return emulator::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32) {
    unsigned lane = threadIdx.x % 32, source = lane ^ flip;
    return emulator::shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : lane);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    unsigned lane = threadIdx.x % 32;
    return emulator::shuffle(mask, value, (lane & (width - 1)) + by < (unsigned)width ? lane + by : lane);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    unsigned lane = threadIdx.x % 32;
    return emulator::shuffle(mask, value, (lane & (width - 1)) >= by ? lane - by : lane);
}
static inline unsigned __ballot_sync(unsigned mask, int value) { return emulator::vote(mask, value != 0); }
static inline int __any_sync(unsigned mask, int value) { return emulator::vote(mask, value != 0) != 0; }
static inline int __all_sync(unsigned mask, int value) { return emulator::vote(mask, value == 0) == 0; }

// Tensor cores: each called by all lanes of a warp.
static inline void mma_16816(float c[4], const unsigned a[4], unsigned b0, unsigned b1) {
    auto& part = emulator::lanes[emulator::current].fragment;
    memcpy(part.a, a, sizeof part.a);
    memcpy(part.c, c, sizeof part.c);
    part.b[0] = b0;
    part.b[1] = b1;
    emulator::exchange(emulator::MULTIPLY, ~0u);
    memcpy(c, part.c, sizeof part.c);
}
static inline void ldmatrix4(unsigned r[4], const void* row) { emulator::load_rows(emulator::LOAD, r, row); }
static inline void ldmatrix4_trans(unsigned r[4], const void* row) {
    emulator::load_rows(emulator::LOAD_TRANSPOSED, r, row);
}
static inline unsigned pack_bf16(float low, float high) { return emulator::bf16(low) | emulator::bf16(high) << 16; }

// Bits, integers and memory.
static inline unsigned __float_as_uint(float value) { return emulator::bits<unsigned>(value); }
static inline int __float_as_int(float value) { return emulator::bits<int>(value); }
static inline float __uint_as_float(unsigned value) { return emulator::bits<float>(value); }
static inline float __int_as_float(int value) { return emulator::bits<float>(value); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline int __clz(int value) { return value ? __builtin_clz((unsigned)value) : 32; }
static inline int __ffs(int value) { return __builtin_ffs(value); }
template <class T>
static inline T __ldg(const T* at) { return *at; }
template <class T>
static inline T atomicAdd(T* at, T value) { T old = *at; *at = old + value; return old; }
static inline void __threadfence() {}
[[noreturn]] static inline void __trap() { emulator::fail("__trap"); }

// Mathematics beyond <math.h>; min and max as CUDA has them.
static inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }
#define __expf expf  // macros: glibc declares functions of these names
#define __logf logf
static inline float __fdividef(float a, float b) { return a / b; }
#define EMULATED_MIN_MAX(Result, A, B) \
    static inline Result min(A a, B b) { return (Result)a < (Result)b ? (Result)a : (Result)b; } \
    static inline Result max(A a, B b) { return (Result)a > (Result)b ? (Result)a : (Result)b; }
EMULATED_MIN_MAX(int, int, int)
EMULATED_MIN_MAX(unsigned, unsigned, unsigned)
EMULATED_MIN_MAX(unsigned, int, unsigned)
EMULATED_MIN_MAX(unsigned, unsigned, int)
EMULATED_MIN_MAX(long, long, long)
EMULATED_MIN_MAX(unsigned long, unsigned long, unsigned long)
EMULATED_MIN_MAX(long long, long long, long long)
EMULATED_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(float a, double b) { return fmin(a, b); }
static inline double max(float a, double b) { return fmax(a, b); }
static inline double min(double a, float b) { return fmin(a, b); }
static inline double max(double a, float b) { return fmax(a, b); }

/// Stands in a namespace around the kernels': `EMULATE` finds it if there is no kernel of the name.
#define EMULATE_ABSENT(name) constexpr emulator::Absent name{};

/// Exports a kernel as `emulated_<name>`. `arguments` ends in a null pointer, and each argument begins where the one
/// before ends, in whole words. Returns null or what went wrong.
#define EMULATE(name)                                                                                              \
    extern "C" __attribute__((visibility("default"))) const char* emulated_##name(                                 \
        unsigned gx, unsigned gy, unsigned threads, unsigned shared, void** arguments, emulator::Stacks* stacks) { \
        emulator::stacks = stacks;                                                                                 \
        return emulator::launch(#name, name, gx, gy, threads, shared, arguments);                                  \
    }
