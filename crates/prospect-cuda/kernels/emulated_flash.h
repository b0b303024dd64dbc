// In the place of flash attention where a GPU is emulated: the same results from the same arguments, row by row.

#pragma once

#include <cmath>
#include <vector>

#include "emulated.h"

namespace cutlass {
using bfloat16_t = __nv_bfloat16;
using half_t = __half;
}  // namespace cutlass

namespace {

// One row of queries of one head a block. What has no slots is 0, as in the kernels.
void attend(ProspectFlashArguments a) {
    const int row = blockIdx.x, batch = blockIdx.y / a.heads, head = blockIdx.y % a.heads, kv_head = head / (a.heads / a.kv_heads);
    const auto start = [](const int64_t strides[3], int batch, int row, int head) {
        return batch * strides[0] + row * strides[1] + head * strides[2];
    };
    const auto *query = static_cast<const ELEMENT *>(a.queries) + start(a.query_strides, batch, row, head);
    auto *output = static_cast<ELEMENT *>(a.output) + start(a.output_strides, batch, row, head);
    const int filled = a.slots_on_device ? int(*a.slots_on_device) : a.slots;
    const int seen = a.causal ? filled - a.tokens + row + 1 : filled;
    std::vector<float> scores(seen), sums(a.head_dim);
    float largest = -INFINITY, total = 0;
    for (int slot = 0; slot < seen; slot++) {
        const auto *key = static_cast<const ELEMENT *>(a.keys) + start(a.key_strides, batch, slot, kv_head);
        float score = 0;
        for (int i = 0; i < a.head_dim; i++) score += emulated::wide(query[i]) * emulated::wide(key[i]);
        scores[slot] = score * a.scale;
        largest = std::fmax(largest, scores[slot]);
    }
    for (int slot = 0; slot < seen; slot++) {
        const auto *value = static_cast<const ELEMENT *>(a.values) + start(a.value_strides, batch, slot, kv_head);
        const float weight = std::exp(scores[slot] - largest);
        total += weight;
        for (int i = 0; i < a.head_dim; i++) sums[i] += weight * emulated::wide(value[i]);
    }
    for (int i = 0; i < a.head_dim; i++) output[i] = emulated::from_wide<ELEMENT>(total > 0 ? sums[i] / total : 0);
    // What the kernels may write besides: whoever shares this memory finds out.
    a.sums[(size_t(batch) * a.heads + head) * a.tokens + row] = NAN;
    if (a.splits < 2) return;
    for (int split = 0; split < a.splits; split++) {
        const size_t at = ((size_t(split) * a.batch + batch) * a.heads + head) * a.tokens + row;
        a.split_sums[at] = NAN;
        for (int i = 0; i < a.head_dim; i++) a.split_outputs[at * a.head_dim + i] = NAN;
    }
}

int run(const ProspectFlashArguments &from) {
    const ProspectFlashArguments arguments = from;
    LAUNCH(attend, dim3(arguments.tokens, arguments.batch * arguments.heads), 1, arguments.stream, arguments);
    return 0;
}

}  // namespace
