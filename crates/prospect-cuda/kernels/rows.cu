// Kernels over the rows of a chunk, each in the place of several of the tensor library's: what lies between two matrix products of a
// layer is one launch. A token alone is bound by launches.
//
// Residual streams, norms and logits are f32; what is multiplied is 16 bits, and rounded once, on its way out.
//
// The same code is C++ for the CPU with PROSPECT_EMULATED, a thread of the GPU after the other, so that tests run it.

#ifdef PROSPECT_EMULATED
#include "emulated.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>
#define LAUNCH(kernel, grid, threads, stream, ...) kernel<<<grid, threads, 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#endif

namespace {

constexpr int WARP = 32;
constexpr int MOST_THREADS = 1024;
constexpr unsigned ALL_LANES = 0xffffffffu;

__device__ float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ float wide(__half x) { return __half2float(x); }
template <typename Half> __device__ Half narrow(float x);
template <> __device__ __nv_bfloat16 narrow<__nv_bfloat16>(float x) { return __float2bfloat16(x); }
template <> __device__ __half narrow<__half>(float x) { return __float2half(x); }

// The sum of what the threads of a block bring, in every one of them. Blocks are whole warps, all of whose threads come here.
__device__ float block_sum(float value) {
    __shared__ float of_warps[WARP];
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(ALL_LANES, value, lanes);
    const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    if (lane == 0) of_warps[threadIdx.x / WARP] = value;
    __syncthreads();
    value = lane < warps ? of_warps[lane] : 0.f;
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(ALL_LANES, value, lanes);
    // Before the next sum is written over it.
    __syncthreads();
    return value;
}

// A number and where it stands; of equal ones the first.
struct Largest {
    float value;
    int index;
    __device__ void take(float other, int at) {
        if (other > value || (other == value && at < index)) {
            value = other;
            index = at;
        }
    }
    __device__ void take_from_lanes() {
        for (int lanes = WARP / 2; lanes > 0; lanes /= 2) {
            const float other = __shfl_xor_sync(ALL_LANES, value, lanes);
            const int at = __shfl_xor_sync(ALL_LANES, index, lanes);
            take(other, at);
        }
    }
};

__device__ Largest block_largest(Largest largest) {
    __shared__ float values[WARP];
    __shared__ int indices[WARP];
    const Largest none = largest;
    largest.take_from_lanes();
    const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    if (lane == 0) {
        values[threadIdx.x / WARP] = largest.value;
        indices[threadIdx.x / WARP] = largest.index;
    }
    __syncthreads();
    largest = lane < warps ? Largest{values[lane], indices[lane]} : none;
    largest.take_from_lanes();
    __syncthreads();
    return largest;
}

template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) rms_norm(const float *x, const float *weight, Half *out, int size, float eps) {
    x += size_t(blockIdx.x) * size;
    out += size_t(blockIdx.x) * size;
    float squares = 0.f;
    for (int i = threadIdx.x; i < size; i += blockDim.x) squares += x[i] * x[i];
    const float scale = 1.f / sqrtf(block_sum(squares) / size + eps);
    for (int i = threadIdx.x; i < size; i += blockDim.x) out[i] = narrow<Half>(x[i] * scale * weight[i]);
}

// Besides, `pending`, the bias of the product that is added to the residual stream next, goes into the stream: it is at hand here.
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) layer_norm(float *x, const float *weight, const float *bias, const float *pending, Half *out, int size, float eps) {
    x += size_t(blockIdx.x) * size;
    out += size_t(blockIdx.x) * size;
    float sum = 0.f;
    for (int i = threadIdx.x; i < size; i += blockDim.x) sum += x[i];
    const float mean = block_sum(sum) / size;
    float squares = 0.f;
    for (int i = threadIdx.x; i < size; i += blockDim.x) squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.f / sqrtf(block_sum(squares) / size + eps);
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
        out[i] = narrow<Half>((x[i] - mean) * scale * weight[i] + bias[i]);
        if (pending) x[i] += pending[i];
    }
}

// Rows of products and their bias, in place.
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) add_bias(Half *x, const float *bias, int size) {
    const int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= size) return;
    x += size_t(blockIdx.x) * size;
    x[i] = narrow<Half>(wide(x[i]) + bias[i]);
}

// The same, and GELU by its tanh.
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) add_bias_gelu(Half *x, const float *bias, int size) {
    const int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= size) return;
    x += size_t(blockIdx.x) * size;
    const float value = wide(x[i]) + bias[i];
    const float inner = 0.79788456f * (value + 0.044715f * value * value * value);
    x[i] = narrow<Half>(0.5f * value * (1.f + tanhf(inner)));
}

// Gates and values side by side, [rows, 2 * inner], to silu(gate) * value.
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) gated(const Half *gate_up, Half *out, int inner) {
    const Half *gates = gate_up + size_t(blockIdx.x) * 2 * inner;
    const int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= inner) return;
    const float gate = wide(gates[i]);
    out[size_t(blockIdx.x) * inner + i] = narrow<Half>(gate / (1.f + expf(-gate)) * wide(gates[inner + i]));
}

// As `Step` in src/rows.rs.
enum { STEP_ID, STEP_POSITION, STEP_SLOT, STEP_SLOTS };

// One head of one token of [tokens, heads + 2 * kv_heads, head_dim] a block: queries and keys turned to their positions, queries to
// [tokens, heads, head_dim], keys and values into the cache, [kv_heads, capacity, head_dim].
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) turn_into_cache(const Half *qkv, const float *cosines, const float *sines, const uint32_t *step, Half *queries,
                                Half *keys, Half *values, int heads, int kv_heads, int head_dim, int capacity) {
    const int token = blockIdx.x, head = blockIdx.y, half = head_dim / 2;
    const size_t position = size_t(step[STEP_POSITION]) + token, slot = size_t(step[STEP_SLOT]) + token;
    const Half *from = qkv + (size_t(token) * (heads + 2 * kv_heads) + head) * head_dim;
    const bool turns = head < heads + kv_heads;
    Half *to;
    if (head < heads) {
        to = queries + (size_t(token) * heads + head) * head_dim;
    } else {
        const int kv_head = turns ? head - heads : head - heads - kv_heads;
        to = (turns ? keys : values) + (size_t(kv_head) * capacity + slot) * head_dim;
    }
    for (int i = threadIdx.x; i < half; i += blockDim.x) {
        const Half first = from[i], second = from[half + i];
        if (turns) {
            const float cosine = cosines[position * half + i], sine = sines[position * half + i];
            to[i] = narrow<Half>(wide(first) * cosine - wide(second) * sine);
            to[half + i] = narrow<Half>(wide(second) * cosine + wide(first) * sine);
        } else {
            to[i] = first;
            to[half + i] = second;
        }
    }
}

// The word that `step` names, from the table [vocab, hidden], as the first residual stream.
template <typename Half>
__global__ void __launch_bounds__(MOST_THREADS) embed_word(const Half *table, const uint32_t *step, float *out, int hidden) {
    const Half *row = table + size_t(step[STEP_ID]) * hidden;
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < hidden) out[i] = wide(row[i]);
}

// What is known of the next word, from its logits: as `Choice` in src/rows.rs.
__global__ void __launch_bounds__(MOST_THREADS) choose(const float *logits, float *choice, int vocab, int silence) {
    Largest other = {-INFINITY, vocab};
    float nothing = 0.f;
    for (int i = threadIdx.x; i < vocab; i += blockDim.x) {
        // Nothing but a finite number times 0 is 0.
        nothing += logits[i] * 0.f;
        if (i != silence) other.take(logits[i], i);
    }
    nothing = block_sum(nothing);
    other = block_largest(other);
    Largest likeliest = other;
    const bool has_silence = silence >= 0 && silence < vocab;
    if (has_silence) likeliest.take(logits[silence], silence);
    float sum = 0.f;
    for (int i = threadIdx.x; i < vocab; i += blockDim.x) sum += expf(logits[i] - likeliest.value);
    sum = block_sum(sum);
    if (threadIdx.x > 0) return;
    choice[0] = float(likeliest.index);
    choice[1] = float(other.index);
    choice[2] = has_silence ? expf(logits[silence] - likeliest.value) / sum : 0.f;
    choice[3] = nothing;
}

// Columns of a row that one block takes, where rows need nothing of each other.
constexpr int COLUMNS = 128;

int blocks(int size, int block) { return (size + block - 1) / block; }

// Enough that a row is read in a few strides.
int threads_of(int size) {
    const int threads = blocks(size, 4 * WARP) * WARP;
    return threads < MOST_THREADS ? threads : MOST_THREADS;
}

// Launches with a value of the type in question.
template <typename Launch> int of_type(int is_bf16, Launch launch) {
    if (is_bf16) {
        launch(__nv_bfloat16());
    } else {
        launch(__half());
    }
    return cudaGetLastError();
}

}  // namespace

// All return a cudaError_t: 0 once the kernel is in the stream. `is_bf16` says which 16 bits.
extern "C" {

int prospect_rms_norm(const float *x, const float *weight, void *out, int rows, int size, float eps, int is_bf16, void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        LAUNCH(rms_norm, dim3(rows), threads_of(size), stream, x, weight, static_cast<Half *>(out), size, eps);
    });
}

int prospect_layer_norm(float *x, const float *weight, const float *bias, const float *pending, void *out, int rows, int size, float eps,
                        int is_bf16, void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        LAUNCH(layer_norm, dim3(rows), threads_of(size), stream, x, weight, bias, pending, static_cast<Half *>(out), size, eps);
    });
}

int prospect_add_bias(void *x, const float *bias, int rows, int size, int gelu, int is_bf16, void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        const dim3 grid(rows, blocks(size, COLUMNS));
        if (gelu) {
            LAUNCH(add_bias_gelu, grid, COLUMNS, stream, static_cast<Half *>(x), bias, size);
        } else {
            LAUNCH(add_bias, grid, COLUMNS, stream, static_cast<Half *>(x), bias, size);
        }
    });
}

int prospect_gated(const void *gate_up, void *out, int rows, int inner, int is_bf16, void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        const dim3 grid(rows, blocks(inner, COLUMNS));
        LAUNCH(gated, grid, COLUMNS, stream, static_cast<const Half *>(gate_up), static_cast<Half *>(out), inner);
    });
}

int prospect_turn_into_cache(const void *qkv, const float *cosines, const float *sines, const uint32_t *step, void *queries, void *keys,
                             void *values, int tokens, int heads, int kv_heads, int head_dim, int capacity, int is_bf16,
                             void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        const dim3 grid(tokens, heads + 2 * kv_heads);
        LAUNCH(turn_into_cache, grid, WARP, stream, static_cast<const Half *>(qkv), cosines, sines, step,
               static_cast<Half *>(queries), static_cast<Half *>(keys), static_cast<Half *>(values), heads, kv_heads, head_dim,
               capacity);
    });
}

int prospect_embed_word(const void *table, const uint32_t *step, float *out, int hidden, int is_bf16, void *stream) {
    return of_type(is_bf16, [=](auto half) {
        using Half = decltype(half);
        const dim3 grid(blocks(hidden, COLUMNS));
        LAUNCH(embed_word, grid, COLUMNS, stream, static_cast<const Half *>(table), step, out, hidden);
    });
}

int prospect_choose(const float *logits, float *choice, int vocab, int silence, void *stream) {
    LAUNCH(choose, dim3(1), threads_of(vocab), stream, logits, choice, vocab, silence);
    return cudaGetLastError();
}

}  // extern "C"
