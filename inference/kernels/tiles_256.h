// Blocks of 256 weights with scales inside: Q4_K, Q6_K. The columns are Q8_K.

// One row's block of 256, unpacked: bytes, and a scale of 16 bits for each pair of them.
struct Unpacked {
    __m256i bytes[8];
    __m256i scales[8];
};

struct Q4K {
    using Block = block_q4_K;
    // The mins have four lanes of their own.
    struct Lanes {
        __m256 main = _mm256_setzero_ps();
        __m128 mins = _mm_setzero_ps();
    };
    Unpacked weights;
    __m128i mins;
    float d, dmin;

    void unpack(const Block & x) {
        uint8_t scale[16];
        for (int i = 0; i < 4; i++) {
            scale[i] = x.scales[i] & 63;
            scale[i + 4] = (x.scales[i + 8] & 15) | ((x.scales[i] >> 6) << 4);
            scale[i + 8] = x.scales[i + 4] & 63;
            scale[i + 12] = (x.scales[i + 8] >> 4) | ((x.scales[i + 4] >> 6) << 4);
        }
        for (int i = 0; i < 4; i++) {
            const __m256i both = load(x.qs + 32 * i);
            weights.bytes[2 * i] = _mm256_and_si256(both, _mm256_set1_epi8(15));
            weights.bytes[2 * i + 1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
        }
        for (int i = 0; i < 8; i++) {
            weights.scales[i] = _mm256_set1_epi16(scale[i]);
        }
        mins = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(scale + 8)));
        d = half(x.d);
        dmin = half(x.dmin);
    }

    void add(Lanes & lanes, const block_q8_K & y) const {
        const __m256i in_16 = load(y.bsums);
        const __m128i in_32 = _mm_hadd_epi16(_mm256_castsi256_si128(in_16), _mm256_extracti128_si256(in_16, 1));
        const __m128 less = _mm_cvtepi32_ps(_mm_madd_epi16(mins, in_32));
        lanes.mins = _mm_fmadd_ps(_mm_set1_ps(-y.d * dmin), less, lanes.mins);
        __m256i total = _mm256_setzero_si256();
        for (int i = 0; i < 8; i++) {
            total = scaled(total, weights.scales[i], weights.bytes[i], load(y.qs + 32 * i));
        }
        lanes.main = _mm256_fmadd_ps(_mm256_set1_ps(y.d * d), _mm256_cvtepi32_ps(total), lanes.main);
    }

    static float result(const Lanes & lanes) {
        const __m128 two = _mm_add_ps(lanes.mins, _mm_movehl_ps(lanes.mins, lanes.mins));
        return sum(lanes.main) + _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
};

struct Q6K {
    using Block = block_q6_K;
    struct Lanes {
        __m256 main = _mm256_setzero_ps();
    };
    Unpacked weights;
    __m256i scales;
    float d;

    void unpack(const Block & x) {
        const __m256i low = _mm256_set1_epi8(15), two = _mm256_set1_epi8(48);
        for (int i = 0; i < 2; i++) {
            const __m256i one = load(x.ql + 64 * i), other = load(x.ql + 64 * i + 32), high = load(x.qh + 32 * i);
            __m256i * to = weights.bytes + 4 * i;
            to[0] = _mm256_or_si256(_mm256_and_si256(one, low), _mm256_and_si256(_mm256_slli_epi16(high, 4), two));
            to[1] = _mm256_or_si256(_mm256_and_si256(other, low), _mm256_and_si256(_mm256_slli_epi16(high, 2), two));
            to[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(one, 4), low), _mm256_and_si256(high, two));
            to[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(other, 4), low),
                                    _mm256_and_si256(_mm256_srli_epi16(high, 2), two));
        }
        for (int i = 0; i < 8; i++) {
            const __m128i lower = _mm_set1_epi16(x.scales[2 * i]), upper = _mm_set1_epi16(x.scales[2 * i + 1]);
            weights.scales[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(lower), upper, 1);
        }
        scales = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(x.scales)));
        d = half(x.d);
    }

    void add(Lanes & lanes, const block_q8_K & y) const {
        const __m256i offset = _mm256_slli_epi32(_mm256_madd_epi16(load(y.bsums), scales), 5);
        __m256i total = _mm256_setzero_si256();
        for (int i = 0; i < 8; i++) {
            total = scaled(total, weights.scales[i], weights.bytes[i], load(y.qs + 32 * i));
        }
        total = _mm256_sub_epi32(total, offset);
        lanes.main = _mm256_fmadd_ps(_mm256_set1_ps(y.d * d), _mm256_cvtepi32_ps(total), lanes.main);
    }

    static float result(const Lanes & lanes) { return sum(lanes.main); }
};

// One row and some columns of blocks of 256: the row is unpacked once for all of them.
template <class Type, int COLUMNS>
inline void tile_of_256(const Product & p, int64_t row, int64_t column) {
    const auto * x = reinterpret_cast<const typename Type::Block *>(p.weights + row * p.weights_stride);
    const block_q8_K * y[COLUMNS];
    typename Type::Lanes lanes[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        y[c] = reinterpret_cast<const block_q8_K *>(p.columns + (column + c) * p.columns_stride);
    }
    for (int64_t b = 0; b < p.blocks; b++) {
        Type unpacked;
        unpacked.unpack(x[b]);
        for (int c = 0; c < COLUMNS; c++) {
            unpacked.add(lanes[c], y[c][b]);
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        p.out[(column + c) * p.out_stride + row] = Type::result(lanes[c]);
    }
}

template <class Type>
void blocks_of_256(const Product & p) {
    for (int64_t panel = p.first; panel < p.last; panel += PANEL) {
        const int64_t end = panel + PANEL < p.last ? panel + PANEL : p.last;
        deal<UNPACKED_COLUMNS>(p.count, [&](auto width, int64_t column) {
            for (int64_t row = panel; row < end; row++) {
                tile_of_256<Type, decltype(width)::value>(p, row, column);
            }
        });
    }
}

void q4_k(const Product & p) { blocks_of_256<Q4K>(p); }
void q6_k(const Product & p) { blocks_of_256<Q6K>(p); }
