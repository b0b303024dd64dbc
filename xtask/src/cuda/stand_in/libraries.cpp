// cuBLAS: products, as its manual defines them, in the order of a stream. cuRAND: no numbers, since nothing asks for any.

#include "driver.h"
#include "emulated.h"

using namespace stand_in;
using emulated::from_wide;
using emulated::wide;

namespace {

struct Handle {
    Stream *stream = nullptr;
};

// Numbers of cudaDataType_t.
enum { F32 = 0, F16 = 2, BF16 = 14 };

float at(const void *matrix, int type, size_t index) {
    switch (type) {
        case F32: return static_cast<const float *>(matrix)[index];
        case F16: return wide(static_cast<const __half *>(matrix)[index]);
        default: return wide(static_cast<const __nv_bfloat16 *>(matrix)[index]);
    }
}

void put(void *matrix, int type, size_t index, float value) {
    switch (type) {
        case F32: static_cast<float *>(matrix)[index] = value; break;
        case F16: static_cast<__half *>(matrix)[index] = from_wide<__half>(value); break;
        default: static_cast<__nv_bfloat16 *>(matrix)[index] = from_wide<__nv_bfloat16>(value);
    }
}

size_t width(int type) { return type == F32 ? 4 : 2; }

struct Matrix {
    void *address;
    int type, leading;
    long long stride;
    bool transposed;

    // Of element (row, column), columns side by side.
    size_t index(int batch, int row, int column) const {
        return batch * stride + (transposed ? size_t(row) * leading + column : size_t(column) * leading + row);
    }
    bool holds(int batches, int rows, int columns) const {
        const size_t last = index(batches - 1, rows - 1, columns - 1);
        return Gpu::get().holds(address, (last + 1) * width(type));
    }
};

int multiply(void *handle, int m, int n, int k, float factor, Matrix a, Matrix b, float share, Matrix c, int batches) {
    Gpu &gpu = Gpu::get();
    const std::lock_guard<std::recursive_mutex> guard(gpu.lock);
    if (!a.holds(batches, m, k) || !b.holds(batches, k, n) || !c.holds(batches, m, n)) {
        // CUBLAS_STATUS_INVALID_VALUE
        return gpu.complain(7, "a product of memory that was not allocated");
    }
    // What measures a GPU's rate takes the CPU an hour, and nobody reads what comes of it.
    if (double(m) * n * k * batches > 1e11) return gpu.ask(static_cast<Handle *>(handle)->stream, [] {});
    return gpu.ask(static_cast<Handle *>(handle)->stream, [=] {
        std::vector<float> left(size_t(m) * k), right(size_t(n) * k);
        for (int batch = 0; batch < batches; batch++) {
            for (int i = 0; i < m; i++) {
                for (int l = 0; l < k; l++) left[size_t(i) * k + l] = at(a.address, a.type, a.index(batch, i, l));
            }
            for (int j = 0; j < n; j++) {
                for (int l = 0; l < k; l++) right[size_t(j) * k + l] = at(b.address, b.type, b.index(batch, l, j));
            }
            for (int j = 0; j < n; j++) {
                for (int i = 0; i < m; i++) {
                    float sum = 0;
                    for (int l = 0; l < k; l++) sum += left[size_t(i) * k + l] * right[size_t(j) * k + l];
                    const size_t to = c.index(batch, i, j);
                    // With a share of 0 nothing is read.
                    put(c.address, c.type, to, factor * sum + (share == 0 ? 0 : share * at(c.address, c.type, to)));
                }
            }
        }
    });
}

float scalar(const void *value) { return *static_cast<const float *>(value); }

Matrix matrix(const void *address, int type, int leading, long long stride, int operation) {
    return {const_cast<void *>(address), type, leading, stride, operation != 0};
}

}  // namespace

extern "C" {

int cublasCreate_v2(void **handle) { return *handle = new Handle, 0; }
int cublasDestroy_v2(void *handle) { return delete static_cast<Handle *>(handle), 0; }
int cublasSetStream_v2(void *handle, void *stream) { return static_cast<Handle *>(handle)->stream = static_cast<Stream *>(stream), 0; }
int cublasSetMathMode(void *, int) { return 0; }

int cublasGemmEx(void *handle, int a_operation, int b_operation, int m, int n, int k, const void *factor, const void *a, int a_type,
                 int a_leading, const void *b, int b_type, int b_leading, const void *share, void *c, int c_type, int c_leading, int,
                 int) {
    return multiply(handle, m, n, k, scalar(factor), matrix(a, a_type, a_leading, 0, a_operation),
                    matrix(b, b_type, b_leading, 0, b_operation), scalar(share), matrix(c, c_type, c_leading, 0, 0), 1);
}
int cublasGemmStridedBatchedEx(void *handle, int a_operation, int b_operation, int m, int n, int k, const void *factor, const void *a,
                               int a_type, int a_leading, long long a_stride, const void *b, int b_type, int b_leading,
                               long long b_stride, const void *share, void *c, int c_type, int c_leading, long long c_stride,
                               int batches, int compute_type, int) {
    // In 16 bits, the factors are given in 16 bits as well.
    constexpr int IN_F16 = 64;
    if (compute_type == IN_F16) return Gpu::get().complain(7, "a product with sums in 16 bits");
    return multiply(handle, m, n, k, scalar(factor), matrix(a, a_type, a_leading, a_stride, a_operation),
                    matrix(b, b_type, b_leading, b_stride, b_operation), scalar(share), matrix(c, c_type, c_leading, c_stride, 0),
                    batches);
}
int cublasSgemmStridedBatched(void *handle, int a_operation, int b_operation, int m, int n, int k, const float *factor, const float *a,
                              int a_leading, long long a_stride, const float *b, int b_leading, long long b_stride,
                              const float *share, float *c, int c_leading, long long c_stride, int batches) {
    return multiply(handle, m, n, k, *factor, matrix(a, F32, a_leading, a_stride, a_operation),
                    matrix(b, F32, b_leading, b_stride, b_operation), *share, matrix(c, F32, c_leading, c_stride, 0), batches);
}

int curandCreateGenerator(void **generator, int) { return *generator = new int(0), 0; }
int curandDestroyGenerator(void *generator) { return delete static_cast<int *>(generator), 0; }
int curandSetStream(void *, void *) { return 0; }
int curandSetPseudoRandomGeneratorSeed(void *, unsigned long long) { return 0; }

}  // extern "C"
