// Exact matrix products: many rows and columns at once, each with the bits of one vec_dot.
//
// The build puts this file in the place of llama.cpp's ggml-cpu/llamafile/sgemm.cpp (see kernels.cmake), so
// that ggml's matrix product asks it first. Where it answers false, ggml goes on with one vec_dot for each
// element. Integer sums are exact in any order, so only what rounds has to be kept: which products go into
// which float lane, the order of blocks in each lane, how scales are multiplied, and how lanes are added up.
// The instruction set may therefore be chosen at run time. The soft max is at the end.
//
// Copyright (c) the p2pavs authors. MIT licence, like the rest of the project.

#include "sgemm.h"

#include "ggml-cpu-impl.h"
#include "ggml-impl.h"
#include "ggml-quants.h"
#include "vec.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t PANEL = 16;  // rows whose weights are read again from a near cache for each few columns

// What one thread multiplies: rows [first, last) of the weights with all columns.
struct Product {
    const char * weights;
    size_t weights_stride;  // bytes from row to row
    const char * columns;
    size_t columns_stride;
    float * out;
    int64_t out_stride;  // elements from column to column
    int64_t first, last, count, blocks;
};

// Memory that a thread keeps from product to product.
float * scratch(size_t floats) {
    static thread_local std::vector<float> kept;
    if (kept.size() < floats + 16) {
        kept.resize(floats + 16);
    }
    const auto address = reinterpret_cast<uintptr_t>(kept.data());
    return reinterpret_cast<float *>((address + 63) & ~uintptr_t(63));
}

inline float half(ggml_half value) { return _cvtsh_ss(value); }

}  // namespace

// The same tiles twice: with what every processor of the profile has, and with dot products of bytes (VNNI).
#define ISA avx2
#define ISA_VNNI 0
#include "tiles.h"
#undef ISA
#undef ISA_VNNI

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni")
#endif
#define ISA vnni
#define ISA_VNNI 1
#include "tiles.h"
#undef ISA
#undef ISA_VNNI
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace {

using Kernel = void (*)(const Product &);

bool has_vnni() {
    static const bool found = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
                              __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    return found;
}

// Tests compute on the processor's best instructions and on those that every one has.
bool plain = false;

// The kernel of a pair of types, or null.
Kernel kernel(int weights, int columns) {
    const bool best = has_vnni() && !plain;
    if (columns == GGML_TYPE_Q8_0) {
        switch (weights) {
            case GGML_TYPE_Q8_0: return best ? vnni::q8_0 : avx2::q8_0;
            case GGML_TYPE_Q4_0: return best ? vnni::q4_0 : avx2::q4_0;
            case GGML_TYPE_Q5_0: return best ? vnni::q5_0 : avx2::q5_0;
            default: return nullptr;
        }
    }
    if (columns == GGML_TYPE_Q8_K) {
        switch (weights) {
            case GGML_TYPE_Q4_K: return best ? vnni::q4_k : avx2::q4_k;
            case GGML_TYPE_Q6_K: return best ? vnni::q6_k : avx2::q6_k;
            default: return nullptr;
        }
    }
    if (columns == GGML_TYPE_F16 && weights == GGML_TYPE_F16) {
        return best ? vnni::f16 : avx2::f16;
    }
    return nullptr;
}

}  // namespace

extern "C" {

// Says that these kernels are in the library, and which instructions they use here.
const char * p2pavs_kernels(void) { return has_vnni() && !plain ? "vnni" : "avx2"; }

// Keeps to the instructions that every processor of the profile has. For tests.
void p2pavs_kernels_plain(bool wanted) { plain = wanted; }
}

// C = A^T B: `m` rows of weights A, `n` columns B, `k` blocks each. Strides are in blocks, of C in elements.
// False: nothing is computed, and ggml takes vec_dot.
bool llamafile_sgemm(const struct ggml_compute_params * params, int64_t m, int64_t n, int64_t k,
                     const void * A, int64_t lda, const void * B, int64_t ldb, void * C, int64_t ldc,
                     int Atype, int Btype, int Ctype) {
    if (n < 2 || Ctype != GGML_TYPE_F32 || params->use_ref) {
        return false;
    }
    const Kernel compute = kernel(Atype, Btype);
    if (compute == nullptr || (Atype == GGML_TYPE_F16 && k % 32 != 0)) {
        return false;
    }
    const int64_t panels = (m + 3) / 4;  // a thread's rows begin at a multiple of 4
    Product product;
    product.weights = static_cast<const char *>(A);
    product.weights_stride = lda * ggml_type_size(static_cast<ggml_type>(Atype));
    product.columns = static_cast<const char *>(B);
    product.columns_stride = ldb * ggml_type_size(static_cast<ggml_type>(Btype));
    product.out = static_cast<float *>(C);
    product.out_stride = ldc;
    product.first = 4 * (panels * params->ith / params->nth);
    product.last = std::min(m, 4 * (panels * (params->ith + 1) / params->nth));
    product.count = n;
    product.blocks = k;
    if (product.first < product.last) {
        compute(product);
    }
    return true;
}

#include "soft_max.h"
