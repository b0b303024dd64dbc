// Launches the kernels of FlashAttention 2 (Dao 2023, arXiv 2307.08691) that SmolVLM2 uses, as candle-flash-attn ships them, on
// tensors where they lie. Only what is named here is compiled: head size 64, and 65 to 96 without a mask (the vision tower of 2.2B
// has 72). Over a cache the slots are cut into splits that are merged at the end (Flash-Decoding, Dao 2023): a frame or a token
// alone would keep few of a GPU's processors busy.
//
// Included with ELEMENT and NAME defined.

#include <cstdint>

// As `Arguments` in src/flash.rs. Strides count elements.
struct ProspectFlashArguments {
    void *queries, *keys, *values, *output;
    // Sums of exponentials [heads, tokens]; with splits also [splits, heads, tokens] and outputs [splits, heads, tokens, head_dim].
    float *sums, *split_sums, *split_outputs;
    // How many slots there are, if it is only known when the kernel runs; `slots` is what they do not exceed then.
    const uint32_t *slots_on_device;
    void *stream;
    int64_t query_strides[3], key_strides[3], value_strides[3], output_strides[3];  // batch, token, head
    int32_t batch, heads, kv_heads, head_dim, tokens, slots;
    int32_t causal, cached, splits;
    float scale;
};
static_assert(sizeof(ProspectFlashArguments) == 208, "as many bytes as in src/flash.rs");

#ifdef PROSPECT_EMULATED
#include "emulated_flash.h"
#else

// The stock crate may be linked too, with kernels of these names.
#define flash_fwd_kernel prospect_flash_fwd_kernel
#define flash_fwd_splitkv_kernel prospect_flash_fwd_splitkv_kernel
#define flash_fwd_splitkv_combine_kernel prospect_flash_fwd_splitkv_combine_kernel

#include <cmath>
#include <cstring>

#include "flash_fwd_launch_template.h"

namespace {

template <typename Kernel>
cudaError_t launch(Kernel kernel, dim3 grid, int threads, size_t shared, const Flash_fwd_params &params, cudaStream_t stream) {
    if (shared >= 48 * 1024) {
        const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
        if (error != cudaSuccess) return error;
    }
    kernel<<<grid, threads, shared, stream>>>(params);
    return cudaGetLastError();
}

int blocks(int size, int block) { return (size + block - 1) / block; }

template <typename Traits, bool Even_tokens, bool Even_head>
cudaError_t full(const Flash_fwd_params &params, cudaStream_t stream) {
    const dim3 grid(blocks(params.seqlen_q, Traits::kBlockM), params.b, params.h);
    auto kernel = &flash_fwd_kernel<Traits, false, false, false, false, Even_tokens, Even_head, false, false>;
    return launch(kernel, grid, Traits::kNThreads, Traits::kSmemSize, params, stream);
}

template <bool Causal, bool Split>
cudaError_t over_cache(const Flash_fwd_params &params, cudaStream_t stream) {
    using Traits = Flash_fwd_kernel_traits<64, 64, 256, 4, false, false, ELEMENT>;
    const int rows = blocks(params.seqlen_q, Traits::kBlockM);
    const dim3 grid(rows, Split ? params.num_splits : params.b, Split ? params.b * params.h : params.h);
    auto kernel = &flash_fwd_splitkv_kernel<Traits, Causal, false, false, false, true, false, Split, false>;
    const cudaError_t error = launch(kernel, grid, Traits::kNThreads, Traits::kSmemSize, params, stream);
    if (!Split || error != cudaSuccess) return error;
    // Room for 2^5 splits.
    const dim3 merged(blocks(params.b * params.h * params.seqlen_q, 8));
    return launch(&flash_fwd_splitkv_combine_kernel<Traits, 8, 5, true>, merged, Traits::kNThreads, 0, params, stream);
}

int rounded(int size, int multiple) { return blocks(size, multiple) * multiple; }

Flash_fwd_params params_of(const ProspectFlashArguments &from) {
    Flash_fwd_params params;
    memset(&params, 0, sizeof(params));
    params.q_ptr = from.queries;
    params.k_ptr = from.keys;
    params.v_ptr = from.values;
    params.o_ptr = from.output;
    params.softmax_lse_ptr = from.sums;
    params.softmax_lseaccum_ptr = from.split_sums;
    params.oaccum_ptr = from.split_outputs;
    params.q_batch_stride = from.query_strides[0];
    params.q_row_stride = from.query_strides[1];
    params.q_head_stride = from.query_strides[2];
    params.k_batch_stride = from.key_strides[0];
    params.k_row_stride = from.key_strides[1];
    params.k_head_stride = from.key_strides[2];
    params.v_batch_stride = from.value_strides[0];
    params.v_row_stride = from.value_strides[1];
    params.v_head_stride = from.value_strides[2];
    params.o_batch_stride = from.output_strides[0];
    params.o_row_stride = from.output_strides[1];
    params.o_head_stride = from.output_strides[2];
    params.b = from.batch;
    params.h = from.heads;
    params.h_k = from.kv_heads;
    params.h_h_k_ratio = from.heads / from.kv_heads;
    params.d = from.head_dim;
    params.d_rounded = rounded(from.head_dim, 32);
    params.seqlen_q = from.tokens;
    params.seqlen_k = from.slots;
    params.seqlen_q_rounded = rounded(from.tokens, 128);
    params.seqlen_k_rounded = rounded(from.slots, 128);
    params.total_q = from.batch * from.tokens;
    params.scale_softmax = from.scale;
    params.scale_softmax_log2 = from.scale * float(M_LOG2E);
    // No dropout: everything is kept.
    params.p_dropout = 1.f;
    params.p_dropout_in_uint8_t = 255;
    params.rp_dropout = 1.f;
    params.scale_softmax_rp_dropout = from.scale;
    params.is_causal = from.causal;
    params.window_size_left = -1;
    params.window_size_right = from.causal ? 0 : -1;
    // Not cumulative: the numbers themselves, one for each of the batch.
    params.cu_seqlens_k = reinterpret_cast<int *>(const_cast<uint32_t *>(from.slots_on_device));
    params.is_seqlens_k_cumulative = from.slots_on_device == nullptr;
    params.page_block_size = -1;
    params.num_splits = from.splits;
    return params;
}

cudaError_t dispatch(const ProspectFlashArguments &from, const Flash_fwd_params &params, cudaStream_t stream) {
    if (from.cached) {
        if (params.d != 64 || from.splits < 1 || from.splits > 32) return cudaErrorInvalidValue;
        if (from.slots_on_device && (params.b != 1 || from.causal)) return cudaErrorInvalidValue;
        const bool split = from.splits > 1;
        if (from.causal) return split ? over_cache<true, true>(params, stream) : over_cache<true, false>(params, stream);
        return split ? over_cache<false, true>(params, stream) : over_cache<false, false>(params, stream);
    }
    if (from.causal || from.slots_on_device) return cudaErrorInvalidValue;
    if (params.d == 64) {
        using Traits = Flash_fwd_kernel_traits<64, 128, 128, 4, false, false, ELEMENT>;
        const bool even = params.seqlen_q % Traits::kBlockM == 0 && params.seqlen_k % Traits::kBlockN == 0;
        return even ? full<Traits, true, true>(params, stream) : full<Traits, false, true>(params, stream);
    }
    if (params.d > 64 && params.d < 96 && params.d % 8 == 0) {
        return full<Flash_fwd_kernel_traits<96, 128, 64, 4, false, false, ELEMENT>, false, false>(params, stream);
    }
    return cudaErrorInvalidValue;
}

int run(const ProspectFlashArguments &from) {
    const Flash_fwd_params params = params_of(from);
    return dispatch(from, params, reinterpret_cast<cudaStream_t>(from.stream));
}

}  // namespace

#endif

// Returns a cudaError_t: 0 once the kernels are in the stream.
extern "C" int NAME(const ProspectFlashArguments *from) { return run(*from); }
