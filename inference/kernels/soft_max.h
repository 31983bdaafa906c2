// The soft max of attention's scores. The build renames ggml's own (see kernels.cmake), which goes over each row
// six times and works out exp(-inf) wherever the mask forbids to look: in a batch that is much of every row.

extern "C" void ggml_compute_forward_soft_max_of_ggml(const ggml_compute_params * params, ggml_tensor * dst);

namespace {

// Keeps the compiler from fusing a product with the sum it goes into.
inline __m256 rounded(__m256 value) {
    asm("" : "+x"(value));
    return value;
}

// One row of `n` scores, a multiple of 8. `mask` may be null; `out` may be the row itself.
void soft_max_row(const float * scores, const float * mask, float * out, int64_t n, float scale) {
    const __m256 lowest = _mm256_set1_ps(-INFINITY), factor = _mm256_set1_ps(scale);
    __m256 most = lowest, odd = _mm256_setzero_ps();
    for (int64_t i = 0; i < n; i += 8) {
        __m256 value = rounded(_mm256_mul_ps(_mm256_loadu_ps(scores + i), factor));
        if (mask != nullptr) {
            value = _mm256_add_ps(value, _mm256_loadu_ps(mask + i));
        }
        most = _mm256_max_ps(most, value);
        odd = _mm256_or_ps(odd, _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
        _mm256_storeu_ps(out + i, value);
    }
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, most);
    // Where something is not a number the order decides, and ggml's is this.
    const bool wild = _mm256_movemask_ps(odd) != 0;
    const float * all = wild ? out : lanes;
    float max = -INFINITY;
    for (int64_t i = 0; i < (wild ? n : 8); i++) {
        max = max > all[i] ? max : all[i];
    }
    const bool some = max > -INFINITY;
    const __m256 best = _mm256_set1_ps(max);
    double total = 0;
    for (int64_t i = 0; i < n; i += 8) {
        const __m256 value = _mm256_loadu_ps(out + i);
        if (some && _mm256_movemask_ps(_mm256_cmp_ps(value, lowest, _CMP_EQ_OQ)) == 0xFF) {
            _mm256_storeu_ps(out + i, _mm256_setzero_ps());  // exp(-inf), which adds nothing
            continue;
        }
        const __m256 share = ggml_v_expf(_mm256_sub_ps(value, best));
        _mm256_storeu_ps(out + i, share);
        total += static_cast<double>(avx2::sum(share));
    }
    const __m256 part = _mm256_set1_ps(static_cast<float>(1.0 / total));
    for (int64_t i = 0; i < n; i += 8) {
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(out + i), part));
    }
}

}  // namespace

extern "C" void ggml_compute_forward_soft_max(const ggml_compute_params * params, ggml_tensor * dst) {
    const ggml_tensor * scores = dst->src[0];
    const ggml_tensor * mask = dst->src[1];
    float options[2];  // scale, and how far ALiBi goes
    std::memcpy(options, dst->op_params, sizeof options);
    const int64_t n = scores->ne[0];
    if (params->use_ref || scores->type != GGML_TYPE_F32 || (mask != nullptr && mask->type != GGML_TYPE_F32) ||
        dst->src[2] != nullptr || options[1] > 0 || n % 8 != 0) {
        ggml_compute_forward_soft_max_of_ggml(params, dst);
        return;
    }
    const auto row = [](const ggml_tensor * t, int64_t i1, int64_t i2, int64_t i3) {
        return reinterpret_cast<float *>(static_cast<char *>(t->data) + i1 * t->nb[1] + i2 * t->nb[2] + i3 * t->nb[3]);
    };
    for (int64_t i3 = 0; i3 < scores->ne[3]; i3++) {
        for (int64_t i2 = 0; i2 < scores->ne[2]; i2++) {
            for (int64_t i1 = params->ith; i1 < scores->ne[1]; i1 += params->nth) {
                const float * of_mask = mask ? row(mask, i1, i2 % mask->ne[2], i3 % mask->ne[3]) : nullptr;
                soft_max_row(row(scores, i1, i2, i3), of_mask, row(dst, i1, i2, i3), n, options[0]);
            }
        }
    }
}
