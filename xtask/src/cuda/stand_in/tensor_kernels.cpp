// Kernels of the tensor library that the passes of a model ask for, by their names and with their arguments. Shapes and strides of
// `info` lie in memory of the GPU, and are read when the work is done.

#include <cmath>

#include "driver.h"
#include "emulated.h"

namespace stand_in {

using emulated::from_wide;
using emulated::wide;

namespace {

template <typename T> T argument(void **arguments, int index) { return *static_cast<T *>(arguments[index]); }

// Where the element of this index lies, of strides behind dims.
size_t strided(size_t index, size_t rank, const size_t *dims, const size_t *strides) {
    size_t at = 0;
    for (size_t d = rank; d-- > 0;) {
        at += index % dims[d] * strides[d];
        index /= dims[d];
    }
    return at;
}

size_t place(size_t index, size_t rank, const size_t *info, size_t tensor = 1) {
    return info ? strided(index, rank, info, info + tensor * rank) : index;
}

template <typename From, typename To> Kernel unary(std::function<float(float)> of) {
    return [of](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto from = argument<const From *>(a, 3);
        const auto to = argument<To *>(a, 4);
        return [=] {
            for (size_t i = 0; i < count; i++) to[i] = from_wide<To>(of(wide(from[place(i, rank, info)])));
        };
    };
}

template <typename T> Kernel copy() {
    return [](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto from = argument<const T *>(a, 3);
        const auto to = argument<T *>(a, 4);
        return [=] {
            for (size_t i = 0; i < count; i++) to[i] = from[place(i, rank, info)];
        };
    };
}

template <typename T> Kernel affine() {
    return [](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto from = argument<const T *>(a, 3);
        const auto to = argument<T *>(a, 4);
        const auto factor = argument<T>(a, 5), term = argument<T>(a, 6);
        return [=] {
            for (size_t i = 0; i < count; i++) {
                to[i] = from_wide<T>(wide(from[place(i, rank, info)]) * wide(factor) + wide(term));
            }
        };
    };
}

template <typename T> Kernel binary(std::function<float(float, float)> of) {
    return [of](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto left = argument<const T *>(a, 3), right = argument<const T *>(a, 4);
        const auto to = argument<T *>(a, 5);
        return [=] {
            for (size_t i = 0; i < count; i++) {
                to[i] = from_wide<T>(of(wide(left[place(i, rank, info, 1)]), wide(right[place(i, rank, info, 2)])));
            }
        };
    };
}

template <typename T> Kernel fill() {
    return [](void **a, unsigned) -> Work {
        const auto to = argument<T *>(a, 0);
        const auto value = argument<T>(a, 1);
        const auto count = argument<size_t>(a, 2);
        return [=] {
            for (size_t i = 0; i < count; i++) to[i] = value;
        };
    };
}

template <typename T> Kernel const_set() {
    return [](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto value = argument<T>(a, 3);
        const auto to = argument<T *>(a, 4);
        return [=] {
            for (size_t i = 0; i < count; i++) to[place(i, rank, info)] = value;
        };
    };
}

template <typename T> Kernel copy2d() {
    return [](void **a, unsigned) -> Work {
        const auto from = argument<const T *>(a, 0);
        const auto to = argument<T *>(a, 1);
        const auto rows = argument<uint32_t>(a, 2), columns = argument<uint32_t>(a, 3);
        const auto from_stride = argument<uint32_t>(a, 4), to_stride = argument<uint32_t>(a, 5);
        return [=] {
            for (size_t row = 0; row < rows; row++) {
                for (size_t column = 0; column < columns; column++) {
                    to[row * to_stride + column] = from[row * from_stride + column];
                }
            }
        };
    };
}

template <typename T> Kernel index_select() {
    return [](void **a, unsigned) -> Work {
        const auto count = argument<size_t>(a, 0), rank = argument<size_t>(a, 1);
        const auto info = argument<const size_t *>(a, 2);
        const auto ids = argument<const uint32_t *>(a, 3);
        const auto from = argument<const T *>(a, 4);
        const auto to = argument<T *>(a, 5);
        const auto rows = argument<size_t>(a, 7), chosen = argument<size_t>(a, 8), right = argument<size_t>(a, 9);
        return [=] {
            for (size_t i = 0; i < count; i++) {
                const size_t left = i / (chosen * right), id = ids[place(i / right % chosen, rank, info)];
                to[i] = from[(left * rows + id) * right + i % right];
            }
        };
    };
}

// Halves of a head turned by the angles of its token.
template <typename T> Kernel rope() {
    return [](void **a, unsigned) -> Work {
        const auto from = argument<const T *>(a, 0), cosines = argument<const T *>(a, 1), sines = argument<const T *>(a, 2);
        const auto to = argument<T *>(a, 3);
        const auto heads = argument<uint32_t>(a, 4), head_size = argument<uint32_t>(a, 5), dim = argument<uint32_t>(a, 6);
        return [=] {
            for (size_t i = 0; i < size_t(heads) * head_size / 2; i++) {
                const size_t head = i / (head_size / 2), token = i % (head_size / 2) / (dim / 2), feature = i % (dim / 2);
                const size_t first = head * head_size + token * dim + feature, second = first + dim / 2;
                const float cosine = wide(cosines[token * (dim / 2) + feature]), sine = wide(sines[token * (dim / 2) + feature]);
                to[first] = from_wide<T>(wide(from[first]) * cosine - wide(from[second]) * sine);
                to[second] = from_wide<T>(wide(from[first]) * sine + wide(from[second]) * cosine);
            }
        };
    };
}

// A row a block.
Kernel softmax() {
    return [](void **a, unsigned rows) -> Work {
        const auto from = argument<const float *>(a, 0);
        const auto to = argument<float *>(a, 1);
        const auto columns = argument<int32_t>(a, 2);
        return [=] {
            for (size_t row = 0; row < rows; row++) {
                float largest = -INFINITY, total = 0;
                const float *x = from + row * columns;
                for (int i = 0; i < columns; i++) largest = std::fmax(largest, x[i]);
                for (int i = 0; i < columns; i++) total += std::exp(x[i] - largest);
                for (int i = 0; i < columns; i++) to[row * columns + i] = std::exp(x[i] - largest) / total;
            }
        };
    };
}

// A row a block: by the root of the mean square, or by mean and deviation.
Kernel norm(bool centred) {
    return [centred](void **a, unsigned rows) -> Work {
        const auto from = argument<const float *>(a, 0);
        const auto to = argument<float *>(a, 1);
        const auto weight = argument<const float *>(a, 2);
        const auto bias = centred ? argument<const float *>(a, 3) : nullptr;
        const auto columns = argument<int32_t>(a, centred ? 4 : 3);
        const auto eps = argument<float>(a, centred ? 6 : 5);
        return [=] {
            for (size_t row = 0; row < rows; row++) {
                const float *x = from + row * columns;
                double sum = 0, squares = 0;
                for (int i = 0; i < columns; i++) sum += x[i];
                const double mean = centred ? sum / columns : 0;
                for (int i = 0; i < columns; i++) squares += (x[i] - mean) * (x[i] - mean);
                const double scale = 1 / std::sqrt(squares / columns + eps);
                for (int i = 0; i < columns; i++) {
                    to[row * columns + i] = float((x[i] - mean) * scale * weight[i] + (centred ? bias[i] : 0));
                }
            }
        };
    };
}

// What is left of a row a block.
template <typename To> Kernel reduce(std::function<To(const std::vector<float> &)> of) {
    return [of](void **a, unsigned rows) -> Work {
        const auto columns = argument<size_t>(a, 1), rank = argument<size_t>(a, 2);
        const auto info = argument<const size_t *>(a, 3);
        const auto from = argument<const float *>(a, 4);
        const auto to = argument<To *>(a, 5);
        return [=] {
            std::vector<float> row(columns);
            for (size_t index = 0; index < rows; index++) {
                for (size_t i = 0; i < columns; i++) row[i] = from[place(index * columns + i, rank, info)];
                to[index] = of(row);
            }
        };
    };
}

float sum_of(const std::vector<float> &row) {
    float sum = 0;
    for (const float x : row) sum += x;
    return sum;
}

uint32_t largest_of(const std::vector<float> &row) {
    size_t best = 0;
    for (size_t i = 1; i < row.size(); i++) best = row[i] > row[best] ? i : best;
    return uint32_t(best);
}

float silu(float x) { return x / (1 + std::exp(-x)); }

float gelu(float x) { return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); }

std::map<std::string, Kernel> kernels() {
    using bf16 = __nv_bfloat16;
    using f16 = __half;
    const auto same = [](float x) { return x; };
    const auto add = [](float x, float y) { return x + y; };
    const auto multiply = [](float x, float y) { return x * y; };
    const auto subtract = [](float x, float y) { return x - y; };
    return {
        {"cast_bf16_f32", unary<bf16, float>(same)},
        {"cast_f16_f32", unary<f16, float>(same)},
        {"cast_f32_bf16", unary<float, bf16>(same)},
        {"cast_f32_f16", unary<float, f16>(same)},
        {"cast_u32_f32", unary<uint32_t, float>(same)},
        {"ucopy_f32", copy<float>()},
        {"ucopy_bf16", copy<bf16>()},
        {"ucopy_f16", copy<f16>()},
        {"affine_f32", affine<float>()},
        {"affine_bf16", affine<bf16>()},
        {"affine_f16", affine<f16>()},
        {"badd_f32", binary<float>(add)},
        {"bsub_f32", binary<float>(subtract)},
        {"bmul_f32", binary<float>(multiply)},
        {"fill_f32", fill<float>()},
        {"const_set_f32", const_set<float>()},
        {"const_set_bf16", const_set<bf16>()},
        {"const_set_f16", const_set<f16>()},
        {"copy2d_f32", copy2d<float>()},
        {"copy2d_bf16", copy2d<bf16>()},
        {"copy2d_f16", copy2d<f16>()},
        {"is_u32_f32", index_select<float>()},
        {"is_u32_bf16", index_select<bf16>()},
        {"is_u32_f16", index_select<f16>()},
        {"rope_f32", rope<float>()},
        {"rope_bf16", rope<bf16>()},
        {"rope_f16", rope<f16>()},
        {"badd_bf16", binary<bf16>(add)},
        {"badd_f16", binary<f16>(add)},
        {"bmul_bf16", binary<bf16>(multiply)},
        {"bmul_f16", binary<f16>(multiply)},
        {"usilu_f32", unary<float, float>(silu)},
        {"usilu_bf16", unary<bf16, bf16>(silu)},
        {"usilu_f16", unary<f16, f16>(silu)},
        {"ugelu_f32", unary<float, float>(gelu)},
        {"ugelu_bf16", unary<bf16, bf16>(gelu)},
        {"ugelu_f16", unary<f16, f16>(gelu)},
        {"rmsnorm_f32", norm(false)},
        {"layernorm_f32", norm(true)},
        {"fast_sum_f32", reduce<float>(sum_of)},
        {"fast_argmax_f32", reduce<uint32_t>(largest_of)},
        {"softmax_f32", softmax()},
    };
}

}  // namespace

Kernel tensor_kernel(const std::string &name) {
    static const std::map<std::string, Kernel> all = kernels();
    const auto found = all.find(name);
    return found == all.end() ? Kernel() : found->second;
}

}  // namespace stand_in
