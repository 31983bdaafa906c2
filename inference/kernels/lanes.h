// What the tiles have in common: sums over lanes, as vec_dot forms them, and dealing columns to tiles.

// How many columns a tile has at most: as many as the registers hold.
constexpr int BLOCK_COLUMNS = ISA_VNNI ? 4 : 2;
constexpr int UNPACKED_COLUMNS = 4;
constexpr int HALF_COLUMNS = 3;
constexpr int64_t WORTH_PREPARING = 8;  // columns from which on rows are unpacked in advance
constexpr int64_t SHORT_ROW = 128;  // halves up to which sums across lanes would cost much of an element
constexpr int RUN = 16;  // blocks whose scales are multiplied in advance

template <int N>
struct Width {
    static constexpr int value = N;
};

template <int N, class Tile>
inline void of_width(int64_t width, int64_t column, const Tile & tile) {
    if (width == N) {
        tile(Width<N>(), column);
    } else if constexpr (N > 1) {
        of_width<N - 1>(width, column, tile);
    }
}

// Deals columns to tiles of at most MOST, as evenly as possible: a tile of one column saves nothing.
template <int MOST, class Tile>
inline void deal(int64_t count, const Tile & tile) {
    const int64_t tiles = (count + MOST - 1) / MOST;
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t begin = count * i / tiles;
        of_width<MOST>(count * (i + 1) / tiles - begin, begin, tile);
    }
}

// sum + scale * (products of unsigned and signed bytes, four together); no pair exceeds 16 bits.
inline __m256i scaled(__m256i sum, __m256i scale, __m256i x, __m256i y) {
    const __m256i pairs = _mm256_maddubs_epi16(x, y);
#if ISA_VNNI
    return _mm256_dpwssd_epi32(sum, scale, pairs);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(scale, pairs));
#endif
}

inline __m128 halves(__m256 value) {
    return _mm_add_ps(_mm256_extractf128_ps(value, 1), _mm256_castps256_ps128(value));
}

// hsum_float_8
inline float sum(__m256 value) {
    __m128 rest = halves(value);
    rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
    return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
}

#if ISA_VNNI
// The first of each four.
inline __m128 firsts(__m512 values) {
    const __m512i places = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(places, values));
}
#endif

// hsum_float_8 of four.
inline __m128 sums(__m256 one, __m256 two, __m256 three, __m256 four) {
#if ISA_VNNI
    const __m512 a = _mm512_insertf32x8(_mm512_castps256_ps512(one), two, 1);
    const __m512 b = _mm512_insertf32x8(_mm512_castps256_ps512(three), four, 1);
    __m512 rest = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0xDD), _mm512_shuffle_f32x4(a, b, 0x88));
    rest = _mm512_add_ps(rest, _mm512_shuffle_ps(rest, rest, 0xEE));
    return firsts(_mm512_add_ps(rest, _mm512_movehdup_ps(rest)));
#else
    __m128 a = halves(one), b = halves(two), c = halves(three), d = halves(four);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    return _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
#endif
}

// GGML_F32x8_REDUCE
inline float reduced(const __m256 * values) {
    const __m256 one = _mm256_add_ps(values[0], values[2]), two = _mm256_add_ps(values[1], values[3]);
    const __m128 pairs = _mm_hadd_ps(halves(_mm256_add_ps(one, two)), _mm_setzero_ps());
    return _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
}

inline __m256i load(const void * from) { return _mm256_loadu_si256(static_cast<const __m256i *>(from)); }

