// A GPU's threads on the CPU: enough of CUDA that the kernels of this folder are C++. The threads of a block are contexts that take
// turns in one thread of the CPU; each runs to its next barrier. Blocks follow each other. For tests, and slow.

#pragma once

#include <dlfcn.h>
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(threads)
// Of one block at a time in a thread of the CPU.
#define __shared__ static thread_local

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

inline int cudaGetLastError() { return 0; }

namespace emulated {

constexpr size_t STACK = 64 * 1024;

class Block {
  public:
    // Runs `kernel` in every thread of this block.
    void run(unsigned threads, const std::function<void()> &kernel) {
        current = this;
        this->kernel = &kernel;
        if (lanes.size() < threads) lanes.resize(threads);
        for (unsigned index = 0; index < threads; index++) lanes[index].done = false;
        for (bool alive = true; alive;) {
            alive = false;
            for (running = 0; running < threads; running++) {
                if (lanes[running].done) continue;
                threadIdx = dim3(running, 0, 0);
                go_on(lanes[running]);
                alive = alive || !lanes[running].done;
            }
        }
    }

    // Until every thread of the block has come here, or is done.
    void barrier() {
        if (!_setjmp(lanes[running].place)) _longjmp(scheduler, 1);
    }

    // What another thread of the warp brings, of 32 bits.
    template <typename T> T from_lane(T value, int mask) {
        static_assert(sizeof(T) == 4, "words of 32 bits");
        memcpy(&lanes[running].word, &value, 4);
        barrier();
        T other;
        memcpy(&other, &lanes[running ^ mask].word, 4);
        // Nobody writes the next one before all have read.
        barrier();
        return other;
    }

    static thread_local Block *current;

  private:
    struct Lane {
        std::unique_ptr<char[]> stack;
        jmp_buf place;
        uint32_t word = 0;
        bool done = false;
    };

    // A lane lives on from block to block. Contexts only begin it: switching by them asks the system each time.
    void go_on(Lane &lane) {
        if (_setjmp(scheduler)) return;
        if (lane.stack) _longjmp(lane.place, 1);
        lane.stack.reset(new char[STACK]);
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = lane.stack.get();
        context.uc_stack.ss_size = STACK;
        makecontext(&context, begin, 0);
        setcontext(&context);
    }

    static void begin() {
        Block *block = current;
        for (;;) {
            (*block->kernel)();
            block->lanes[block->running].done = true;
            block->barrier();
        }
    }

    const std::function<void()> *kernel = nullptr;
    std::vector<Lane> lanes;
    jmp_buf scheduler;
    unsigned running = 0;
};

inline thread_local Block *Block::current = nullptr;

inline void launch(dim3 grid, unsigned threads, const std::function<void()> &kernel) {
    static thread_local Block block;
    gridDim = grid;
    blockDim = dim3(threads);
    for (unsigned y = 0; y < grid.y; y++) {
        for (unsigned x = 0; x < grid.x; x++) {
            blockIdx = dim3(x, y);
            block.run(threads, kernel);
        }
    }
}

}  // namespace emulated

inline void __syncthreads() { emulated::Block::current->barrier(); }
template <typename T> T __shfl_xor_sync(unsigned, T value, int mask) { return emulated::Block::current->from_lane(value, mask); }

namespace emulated {

// A stand-in for the driver does work when its stream comes to it.
using Ask = int (*)(void *stream, void (*work)(void *), void (*end)(void *), void *data);

inline Ask find_stand_in() {
    void *driver = dlopen("libcuda.so", RTLD_LAZY);
    void *found = driver ? dlsym(driver, "prospect_stand_in_ask") : nullptr;
    if (!found) {
        fputs("kernels for the stand-in GPU, and no stand-in\n", stderr);
        abort();
    }
    return reinterpret_cast<Ask>(found);
}

inline void ask(void *stream, dim3 grid, unsigned threads, std::function<void()> kernel) {
    static const Ask ask = find_stand_in();
    using Work = std::function<void()>;
    const auto work = [](void *data) { (*static_cast<Work *>(data))(); };
    const auto end = [](void *data) { delete static_cast<Work *>(data); };
    ask(stream, work, end, new Work([=] { launch(grid, threads, kernel); }));
}

}  // namespace emulated

#define LAUNCH(kernel, grid, threads, stream, ...) emulated::ask(stream, grid, threads, [=] { kernel(__VA_ARGS__); })

struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 x) {
    const uint32_t word = uint32_t(x.bits) << 16;
    float value;
    memcpy(&value, &word, 4);
    return value;
}

// To the nearest, of two as near the even one.
inline __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t word;
    memcpy(&word, &x, 4);
    if (std::isnan(x)) return {uint16_t((word >> 16) | 0x40)};
    return {uint16_t((word + 0x7fff + ((word >> 16) & 1)) >> 16)};
}

typedef _Float16 __half;
inline float __half2float(__half x) { return float(x); }
inline __half __float2half(float x) { return __half(x); }

namespace emulated {

inline float wide(float x) { return x; }
inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
inline float wide(__half x) { return __half2float(x); }
inline float wide(uint32_t x) { return float(x); }

template <typename T> T from_wide(float x);
template <> inline float from_wide<float>(float x) { return x; }
template <> inline __nv_bfloat16 from_wide<__nv_bfloat16>(float x) { return __float2bfloat16(x); }
template <> inline __half from_wide<__half>(float x) { return __float2half(x); }

}  // namespace emulated
