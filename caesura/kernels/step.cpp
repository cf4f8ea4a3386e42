// A step of a whole network with few tokens: ids in, hidden states and logits out; bfloat16, one thread.
//
// Enters: a Model (matrices laid out by `caesura_pack`), and a Step. Leaves: what the step computed; the keys and
// values of its tokens in their pages. Read next: library.py, whose structures mirror these.
//
// Vectors are the compilers' own (vector_size), so that one text serves all processors; where there is AVX-512
// BF16, three functions take its instructions instead: `dot`, `rounded` and `paired`. What is no number stays none
// and touches no other row: no -ffast-math, and every comparison is written so that a NaN passes through.
//
// Shapes: T tokens, each of them a row, R of them scored, D hidden size, H query heads, K key/value heads,
// G = H / K, E head dimension, F feed-forward size, V vocabulary, M queries that are read together, W lanes of a
// vector, each of them one query.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>
#if defined(__AVX512BF16__) && defined(__AVX512VL__) && defined(__AVX512BW__) && !defined(CAESURA_PLAIN)
#define CAESURA_AVX512_BF16
#include <immintrin.h>
#endif

namespace {

typedef int64_t i64;
typedef uint32_t u32;
typedef uint16_t u16;  // a bfloat16

template <int W>
struct Of {
  typedef float F __attribute__((vector_size(4 * W)));
  typedef u32 U __attribute__((vector_size(4 * W)));
  typedef int32_t I __attribute__((vector_size(4 * W)));
  typedef u16 H __attribute__((vector_size(2 * W)));
};

constexpr int LANES = 16;
typedef Of<LANES>::F F16;
typedef Of<LANES>::U U16;

template <typename V>
inline V load(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

template <typename V>
inline void store(void* to, V v) {
  std::memcpy(to, &v, sizeof(V));
}

template <typename To, typename From>
inline To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

// ---- bfloat16

template <int W>
inline typename Of<W>::F widened(const u16* from) {
  typename Of<W>::U wide = __builtin_convertvector(load<typename Of<W>::H>(from), typename Of<W>::U);
  return bits<typename Of<W>::F>(wide << 16);
}

inline float widened(u16 from) { return bits<float>(u32(from) << 16); }

// To the nearest bfloat16, as floats.
template <int W>
inline typename Of<W>::U rounded_bits(typename Of<W>::F x) {
  typedef typename Of<W>::U U;
  U u = bits<U>(x);
  U even = u + 0x7fff + ((u >> 16) & 1);
  return (x == x ? even : u | 0x400000) >> 16;
}

#ifdef CAESURA_AVX512_BF16
template <>
inline U16 rounded_bits<LANES>(F16 x) {
  return __builtin_convertvector(bits<Of<LANES>::H>(_mm512_cvtneps_pbh(bits<__m512>(x))), U16);
}
inline __m512bh half(U16 u) { return bits<__m512bh>(u); }
inline __m256bh half(Of<8>::U u) { return bits<__m256bh>(u); }
inline __m128bh half(Of<4>::U u) { return bits<__m128bh>(u); }
inline F16 dot(F16 sum, U16 a, U16 b) { return bits<F16>(_mm512_dpbf16_ps(bits<__m512>(sum), half(a), half(b))); }
inline Of<8>::F dot(Of<8>::F sum, Of<8>::U a, Of<8>::U b) {
  return bits<Of<8>::F>(_mm256_dpbf16_ps(bits<__m256>(sum), half(a), half(b)));
}
inline Of<4>::F dot(Of<4>::F sum, Of<4>::U a, Of<4>::U b) {
  return bits<Of<4>::F>(_mm_dpbf16_ps(bits<__m128>(sum), half(a), half(b)));
}
inline void put(u16* to, F16 x) { _mm256_storeu_si256((__m256i*)to, (__m256i)_mm512_cvtneps_pbh(bits<__m512>(x))); }
// (a_e, b_e) side by side, for 32 of each: the first sixteen pairs, then the others.
inline void paired(const u16* a, const u16* b, u32* to) {
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  __m512i one = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)a));
  __m512i other = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)b));
  _mm512_storeu_si512(to, _mm512_permutex2var_epi16(one, first, other));
}
#else
// sum + a0 b0 + a1 b1, of the two bfloat16 in each lane.
template <typename F, typename U>
inline F dot(F sum, U a, U b) {
  sum += bits<F>(a << 16) * bits<F>(b << 16);
  return sum + bits<F>(a & 0xffff0000u) * bits<F>(b & 0xffff0000u);
}
inline void put(u16* to, F16 x) {
  store(to, __builtin_convertvector(rounded_bits<LANES>(x), Of<LANES>::H));
}
inline void paired(const u16* a, const u16* b, u32* to) {
  U16 low = __builtin_convertvector(load<Of<LANES>::H>(a), U16);
  U16 high = __builtin_convertvector(load<Of<LANES>::H>(b), U16);
  store(to, low | high << 16);
}
#endif

inline u16 rounded(float x) {
  Of<4>::F v = {x, x, x, x};
  return u16(rounded_bits<4>(v)[0]);
}

// e^x: 2^n e^r with |r| <= ln(2) / 2, and r's series up to r^6 (2e-7 of the result at most).
template <typename F, typename U>
inline F exponential(F x) {
  const float least = -87.3f, most = 88.0f;
  F y = x < least ? F{} + least : x;
  y = y > most ? F{} + most : y;
  const float round = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  F shifted = y * 1.44269504f + round;
  F n = shifted - round;
  F r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
  F p = r * (1.0f / 720) + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  U scale = (bits<U>(shifted) - 0x4b400000u + 127u) << 23;
  F e = p * bits<F>(scale);
  e = x > most ? F{} + __builtin_inff() : e;
  return x < least ? F{} : e;
}

// ---- products

// Columns of a panel. A matrix (N, K) lies as panels of 32 rows, each as pairs along K: (N / 32, K / 2, 32, 2).
constexpr int PANEL = 2 * LANES;
constexpr int MAX_ROWS = 8;
// Matrices come from memory one panel after the other, which processors foresee within a page of 4 KB only.
constexpr int AHEAD = 16 * PANEL;

template <int ROWS>
inline void panel_product(const u16* a, i64 stride, const u32* panel, i64 pairs, float* out) {
  F16 sums[ROWS][2] = {};
  for (i64 p = 0; p < pairs; ++p, panel += PANEL) {
    __builtin_prefetch(panel + AHEAD);
    __builtin_prefetch(panel + AHEAD + LANES);
    const U16 w0 = load<U16>(panel), w1 = load<U16>(panel + LANES);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const U16 x = load<u32>(a + r * stride + 2 * p) - U16{};
      sums[r][0] = dot(sums[r][0], w0, x);
      sums[r][1] = dot(sums[r][1], w1, x);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
    store(out + r * PANEL, sums[r][0]);
    store(out + r * PANEL + LANES, sums[r][1]);
  }
}

typedef void (*PanelProduct)(const u16*, i64, const u32*, i64, float*);
const PanelProduct PRODUCTS[MAX_ROWS] = {panel_product<1>, panel_product<2>, panel_product<3>, panel_product<4>,
                                         panel_product<5>, panel_product<6>, panel_product<7>, panel_product<8>};

struct Matrix {
  const u32* panels;
  const u16* bias;  // or null
  i64 outputs, inputs;
};

// a (T, K) -> out (T, N), rounded to bfloat16; or added to what is there, and rounded again.
void multiply(const u16* a, i64 rows, const Matrix& w, u16* out, bool is_added) {
  const i64 pairs = w.inputs / 2;
  const i64 blocks = (rows + MAX_ROWS - 1) / MAX_ROWS;
  alignas(64) float sums[MAX_ROWS * PANEL];
  alignas(64) u16 results[PANEL];
  for (i64 n = 0; n < w.outputs; n += PANEL) {
    const u32* panel = w.panels + n * pairs;
    const i64 width = std::min<i64>(PANEL, w.outputs - n);
    for (i64 block = 0; block < blocks; ++block) {
      const i64 first = rows * block / blocks, count = rows * (block + 1) / blocks - first;
      PRODUCTS[count - 1](a + first * w.inputs, w.inputs, panel, pairs, sums);
      for (i64 r = 0; r < count; ++r) {
        u16* to = out + (first + r) * w.outputs + n;
        float* sum = sums + r * PANEL;
        if (w.bias != nullptr)
          for (i64 i = 0; i < width; ++i) sum[i] += widened(w.bias[n + i]);
        put(results, load<F16>(sum));
        put(results + LANES, load<F16>(sum + LANES));
        if (is_added && width == PANEL) {
          for (int i = 0; i < PANEL; i += LANES) put(to + i, widened<LANES>(to + i) + widened<LANES>(results + i));
        } else {
          if (is_added)
            for (i64 i = 0; i < width; ++i) results[i] = rounded(widened(to[i]) + widened(results[i]));
          std::memcpy(to, results, width * sizeof(u16));
        }
      }
    }
  }
}

// ---- norms, rotation, SwiGLU

inline float total(F16 v) {
  float sum = 0;
  for (int i = 0; i < LANES; ++i) sum += v[i];
  return sum;
}

// x / sqrt(mean(x^2) + eps) * weight; sizes are multiples of 16.
void norm(const u16* x, const u16* weight, i64 size, float eps, u16* out) {
  F16 squares = {};
  for (i64 i = 0; i < size; i += LANES) {
    const F16 v = widened<LANES>(x + i);
    squares += v * v;
  }
  const float factor = 1.0f / std::sqrt(total(squares) / size + eps);
  for (i64 i = 0; i < size; i += LANES) put(out + i, widened<LANES>(x + i) * factor * widened<LANES>(weight + i));
}

// Pairs lie half a head apart. cos, sin (E / 2).
void turn(u16* head, const float* cosine, const float* sine, i64 half) {
  for (i64 i = 0; i < half; ++i) {
    const float one = widened(head[i]), other = widened(head[i + half]);
    head[i] = rounded(one * cosine[i] - other * sine[i]);
    head[i + half] = rounded(other * cosine[i] + one * sine[i]);
  }
}

// silu(gate) * up; gate and up (F) lie side by side.
void gated(const u16* gate_up, i64 size, u16* out) {
  for (i64 i = 0; i < size; i += LANES) {
    const F16 gate = widened<LANES>(gate_up + i);
    alignas(64) u16 silu[LANES];
    put(silu, gate / (1.0f + exponential<F16, U16>(-gate)));
    put(out + i, widened<LANES>(silu) * widened<LANES>(gate_up + size + i));
  }
}

// ---- attention

// Tokens that are read at once: their scores and their values stay in the nearest cache.
constexpr int BLOCK = 64;

// What queries have read so far: the highest score, the sum of weights, and the weighted values (M, E).
struct State {
  float* best;
  float* sum;
  float* read;
};

struct Space {
  alignas(64) float scores[BLOCK * LANES];
  alignas(64) u32 weights[BLOCK / 2 * LANES];
  alignas(64) u32 values[BLOCK / 2 * 256];
  alignas(64) u32 query[128 * LANES];
};

// Scores of `count` keys for W queries, scaled. query (E / 2, W).
template <int W, int E>
inline void put_scores(const u32* query, const u16* keys, const u16* values, const int32_t* tokens, int count,
                       float scale, float* scores) {
  typedef typename Of<W>::F F;
  typedef typename Of<W>::U U;
  constexpr int AT_ONCE = 8;
  for (int first = 0; first < count; first += AT_ONCE) {
    const u16* key[AT_ONCE];
    // The last few are read twice rather than anything beyond.
    for (int i = 0; i < AT_ONCE; ++i) {
      const i64 token = tokens[std::min(first + i, count - 1)];
      key[i] = keys + token * E;
      for (int e = 0; e < E; e += 32) __builtin_prefetch(values + token * E + e);
    }
    F sums[AT_ONCE] = {};
    for (int e = 0; e < E / 2; ++e) {
      const U q = load<U>(query + e * W);
#pragma GCC unroll 8
      for (int i = 0; i < AT_ONCE; ++i) sums[i] = dot(sums[i], q, U(load<u32>(key[i] + 2 * e) - U{}));
    }
#pragma GCC unroll 8
    for (int i = 0; i < AT_ONCE; ++i) store(scores + (first + i) * W, F(sums[i] * scale));
  }
}

// read (QUERIES, E) += weights (pairs, W) times values (pairs, E).
template <int W, int E, int QUERIES>
inline void add_values(const u32* weights, const u32* values, int pairs, float* read) {
  constexpr int VECTORS = E / LANES;
  F16 sums[QUERIES][VECTORS];
  for (int m = 0; m < QUERIES; ++m)
    for (int v = 0; v < VECTORS; ++v) sums[m][v] = load<F16>(read + m * E + v * LANES);
  for (int p = 0; p < pairs; ++p) {
#pragma GCC unroll 8
    for (int m = 0; m < QUERIES; ++m) {
      const U16 weight = weights[p * W + m] - U16{};
#pragma GCC unroll 16
      for (int v = 0; v < VECTORS; ++v) sums[m][v] = dot(sums[m][v], load<U16>(values + p * E + v * LANES), weight);
    }
  }
  for (int m = 0; m < QUERIES; ++m)
    for (int v = 0; v < VECTORS; ++v) store(read + m * E + v * LANES, sums[m][v]);
}

// Softmax over block after block: what was read before shrinks when a higher score comes. num: of the W queries.
template <int W, int E>
void read_tokens(Space& space, const u16* keys, const u16* values, const int32_t* tokens, i64 length, int num,
                 float scale, State state) {
  typedef typename Of<W>::F F;
  typedef typename Of<W>::U U;
  constexpr int QUERIES = E >= 256 ? 1 : std::min(4, 256 / E);
  alignas(64) static const u16 nothing[256] = {};
  F best = {}, sum = {};
  std::memcpy(&best, state.best, num * sizeof(float));
  std::memcpy(&sum, state.sum, num * sizeof(float));
  for (i64 start = 0; start < length; start += BLOCK) {
    const int count = int(std::min<i64>(BLOCK, length - start)), pairs = (count + 1) / 2;
    put_scores<W, E>(space.query, keys, values, tokens + start, count, scale, space.scores);
    F highest = best;
    for (int t = 0; t < count; ++t) {
      const F score = load<F>(space.scores + t * W);
      highest = highest < score ? score : highest;
    }
    const F shrink = exponential<F, U>(best - highest);
    sum *= shrink;
    best = highest;
    for (int t = 0; t < count; t += 2) {
      const U one = rounded_bits<W>(exponential<F, U>(load<F>(space.scores + t * W) - highest));
      U other = {};
      if (t + 1 < count) other = rounded_bits<W>(exponential<F, U>(load<F>(space.scores + (t + 1) * W) - highest));
      sum += bits<F>(one << 16) + bits<F>(other << 16);
      store(space.weights + t / 2 * W, one | other << 16);
      const u16* value = values + i64(tokens[start + t]) * E;
      const u16* next = t + 1 < count ? values + i64(tokens[start + t + 1]) * E : nothing;
      for (int e = 0; e < E; e += LANES) paired(value + e, next + e, space.values + t / 2 * E + e);
    }
    for (int m = 0; m < num; ++m)
      if (shrink[m] != 1.0f)
        for (int e = 0; e < E; e += LANES) {
          float* read = state.read + m * E + e;
          store(read, F16(load<F16>(read) * shrink[m]));
        }
    int m = 0;
    for (; m + QUERIES <= num; m += QUERIES)
      add_values<W, E, QUERIES>(space.weights + m, space.values, pairs, state.read + m * E);
    for (; m < num; ++m) add_values<W, E, 1>(space.weights + m, space.values, pairs, state.read + m * E);
  }
  std::memcpy(state.best, &best, num * sizeof(float));
  std::memcpy(state.sum, &sum, num * sizeof(float));
}

// What a network is, as library.py lays it out.
struct Layer {
  const u16 *input_norm, *attention_norm, *query_norm, *key_norm;  // the last two: or null
  Matrix qkv, output, gate_up, down;
  u16* pages;  // (2, K, P * page, E)
};

struct Model {
  i64 layers, size, heads, kv_heads, head_size, hidden, vocabulary, pool_tokens, page_size;
  double eps, rope_scale;
  const float* frequencies;  // (E / 2)
  const u16 *embedding, *norm;
  Matrix logits;
  const Layer* layer;
};

// Rows that begin alike: `count` rows from `first` on, whose first `shared` pages are the same ones.
struct Cluster {
  i64 first, count, shared;
};

struct Step {
  i64 rows, clusters, scored;
  const i64 *tokens, *positions;  // (T)
  const i64* scored_rows;         // (R)
  const Cluster* cluster;         // in order, every row in one of them
  const i64* pages;               // of each cluster: the shared ones, then each row's others
};

// Which tokens of the pool a step reads: of each cluster the shared ones, then of each row its own.
struct Reads {
  std::vector<int32_t> tokens;
  std::vector<i64> shared, own;  // where they begin: of each cluster, of each row
  std::vector<i64> written;      // of each row, the token of the pool that it writes
};

// Whether all ids and pages are there: nobody may make a step read or write beyond its memory.
bool is_sound(const Model& model, const Step& step) {
  const i64 num_pages = model.pool_tokens / model.page_size;
  for (i64 r = 0; r < step.rows; ++r)
    if (step.tokens[r] < 0 || step.tokens[r] >= model.vocabulary) return false;
  const i64* page = step.pages;
  auto are_there = [&](i64 count) {
    for (const i64* stop = page + count; page < stop; ++page)
      if (*page < 0 || *page >= num_pages) return false;
    return true;
  };
  for (i64 c = 0; c < step.clusters; ++c) {
    const Cluster& cluster = step.cluster[c];
    if (!are_there(cluster.shared)) return false;
    for (i64 row = cluster.first; row < cluster.first + cluster.count; ++row)
      if (!are_there(step.positions[row] / model.page_size + 1 - cluster.shared)) return false;
  }
  return true;
}

void put_tokens(const Model& model, const Step& step, Reads& reads) {
  reads.tokens.clear();
  reads.shared.assign(step.clusters, 0);
  reads.own.assign(step.rows, 0);
  reads.written.assign(step.rows, 0);
  const i64* page = step.pages;
  auto add = [&](i64 length) {
    for (i64 t = 0; t < length; t += model.page_size, ++page)
      for (i64 i = 0; i < std::min(model.page_size, length - t); ++i)
        reads.tokens.push_back(int32_t(*page * model.page_size + i));
  };
  for (i64 c = 0; c < step.clusters; ++c) {
    const Cluster& cluster = step.cluster[c];
    reads.shared[c] = i64(reads.tokens.size());
    add(cluster.shared * model.page_size);
    for (i64 row = cluster.first; row < cluster.first + cluster.count; ++row) {
      reads.own[row] = i64(reads.tokens.size());
      add(step.positions[row] + 1 - cluster.shared * model.page_size);
      reads.written[row] = reads.tokens.back();
    }
  }
}

// Up to 16 queries of one key/value head: from query `first` of the cluster's row `row` on, row after row.
template <int E>
void read_queries(const Model& model, const u16* queries, i64 stride, i64 head, i64 first, int num, Space& space,
                  const Layer& layer, const int32_t* tokens, i64 length, State state) {
  const i64 group = model.heads / model.kv_heads;
  const int lanes = num > 8 ? 16 : num > 4 ? 8 : 4;
  for (int m = 0; m < lanes; ++m) {
    const i64 query = first + m, row = query / group;
    const u16* from = queries + row * stride + (head * group + query % group) * E;
    for (int e = 0; e < E / 2; ++e) space.query[e * lanes + m] = m < num ? load<u32>(from + 2 * e) : 0;
  }
  const u16* keys = layer.pages + head * model.pool_tokens * E;
  const u16* values = keys + model.kv_heads * model.pool_tokens * E;
  const float scale = 1.0f / std::sqrt(float(E));
  state.best += first, state.sum += first, state.read += first * E;
  if (lanes == 16) read_tokens<16, E>(space, keys, values, tokens, length, num, scale, state);
  else if (lanes == 8) read_tokens<8, E>(space, keys, values, tokens, length, num, scale, state);
  else read_tokens<4, E>(space, keys, values, tokens, length, num, scale, state);
}

// out (T, H, E). queries: of row 0; stride: from row to row.
template <int E>
void attend(const Model& model, const Step& step, const Reads& reads, const Layer& layer, const u16* queries,
            i64 stride, Space& space, std::vector<float>& states, u16* out) {
  const i64 group = model.heads / model.kv_heads;
  for (i64 c = 0; c < step.clusters; ++c) {
    const Cluster& cluster = step.cluster[c];
    const i64 num = cluster.count * group;
    const u16* from = queries + cluster.first * stride;
    states.resize(num * (E + 2));
    const State state{states.data() + num * E, states.data() + num * (E + 1), states.data()};
    const i64 shared = reads.shared[c], num_shared = cluster.shared * model.page_size;
    for (i64 head = 0; head < model.kv_heads; ++head) {
      std::fill(states.begin(), states.end(), 0.0f);
      std::fill(state.best, state.best + num, -INFINITY);
      for (i64 m = 0; m < num && num_shared > 0; m += LANES)
        read_queries<E>(model, from, stride, head, m, int(std::min<i64>(LANES, num - m)), space, layer,
                        reads.tokens.data() + shared, num_shared, state);
      for (i64 r = 0; r < cluster.count; ++r) {
        const i64 row = cluster.first + r, own = reads.own[row];
        const i64 length = step.positions[row] + 1 - num_shared;
        for (i64 m = 0; m < group; m += LANES)
          read_queries<E>(model, from, stride, head, r * group + m, int(std::min<i64>(LANES, group - m)), space, layer,
                          reads.tokens.data() + own, length, state);
        for (i64 g = 0; g < group; ++g) {
          const i64 m = r * group + g;
          u16* to = out + (row * model.heads + head * group + g) * E;
          for (int e = 0; e < E; e += LANES) put(to + e, load<F16>(state.read + m * E + e) / state.sum[m]);
        }
      }
    }
  }
}

typedef void (*Attend)(const Model&, const Step&, const Reads&, const Layer&, const u16*, i64, Space&,
                       std::vector<float>&, u16*);

Attend attention_of(i64 head_size) {
  switch (head_size) {
    case 16: return attend<16>;
    case 32: return attend<32>;
    case 64: return attend<64>;
    case 96: return attend<96>;
    case 128: return attend<128>;
    default: return nullptr;
  }
}

// Norm and rotation of a row's queries and keys, in place; its keys and values go to their page.
void turn_and_keep(const Model& model, const Layer& layer, u16* row, const float* cosine, const float* sine, i64 slot) {
  const i64 size = model.head_size, turned = model.heads + model.kv_heads;
  for (i64 head = 0; head < turned; ++head) {
    const u16* weight = head < model.heads ? layer.query_norm : layer.key_norm;
    if (weight != nullptr) norm(row + head * size, weight, size, float(model.eps), row + head * size);
    turn(row + head * size, cosine, sine, size / 2);
  }
  // Keys, then values: 2 K heads side by side, as in the pages.
  for (i64 head = 0; head < 2 * model.kv_heads; ++head)
    std::memcpy(layer.pages + (head * model.pool_tokens + slot) * size, row + (model.heads + head) * size,
                size * sizeof(u16));
}

struct Memory {
  std::vector<u16> x, normed, qkv, read, gate_up, gated;
  std::vector<float> cosine, sine, states;
  Reads reads;
  Space space;
};

}  // namespace

extern "C" {

// What the structures' mirrors have to be as large as.
void caesura_sizes(i64* sizes) {
  sizes[0] = sizeof(Matrix);
  sizes[1] = sizeof(Layer);
  sizes[2] = sizeof(Model);
  sizes[3] = sizeof(Step);
}

int caesura_takes(i64 head_size) { return attention_of(head_size) != nullptr; }

// weight (N, K) -> panels, N rounded up to 32 with zeros.
void caesura_pack(const u16* weight, i64 outputs, i64 inputs, u32* panels) {
  const i64 pairs = inputs / 2;
  for (i64 n = 0; n < outputs; n += PANEL)
    for (i64 p = 0; p < pairs; ++p)
      for (i64 i = 0; i < PANEL; ++i)
        panels[(n * pairs) + p * PANEL + i] = n + i < outputs ? load<u32>(weight + (n + i) * inputs + 2 * p) : 0;
}

// hidden (T, D), logits (R, V). 0, or 1 and nothing done where an id or a page is not there.
int caesura_step(const Model* model_, const Step* step_, u16* hidden, u16* logits) {
  // Not in the thread's own storage, which need not lie where vectors do.
  static thread_local std::unique_ptr<Memory> memory(new Memory);
  const Model& model = *model_;
  const Step& step = *step_;
  Memory& m = *memory;
  if (!is_sound(model, step)) return 1;
  const i64 rows = step.rows, size = model.size, half = model.head_size / 2;
  const i64 stride = (model.heads + 2 * model.kv_heads) * model.head_size;
  m.x.resize(rows * size), m.normed.resize(rows * size), m.qkv.resize(rows * stride);
  m.read.resize(rows * model.heads * model.head_size);
  m.gate_up.resize(rows * 2 * model.hidden), m.gated.resize(rows * model.hidden);
  m.cosine.resize(rows * half), m.sine.resize(rows * half);
  put_tokens(model, step, m.reads);
  for (i64 r = 0; r < rows; ++r) {
    std::memcpy(m.x.data() + r * size, model.embedding + step.tokens[r] * size, size * sizeof(u16));
    for (i64 i = 0; i < half; ++i) {
      const float angle = float(step.positions[r]) * model.frequencies[i], scale = float(model.rope_scale);
      m.cosine[r * half + i] = widened(rounded(std::cos(angle) * scale));
      m.sine[r * half + i] = widened(rounded(std::sin(angle) * scale));
    }
  }
  const Attend attend_ = attention_of(model.head_size);
  auto norm_rows = [&](const u16* weight, u16* out) {
    for (i64 r = 0; r < rows; ++r) norm(m.x.data() + r * size, weight, size, float(model.eps), out + r * size);
  };
  for (i64 l = 0; l < model.layers; ++l) {
    const Layer& layer = model.layer[l];
    norm_rows(layer.input_norm, m.normed.data());
    multiply(m.normed.data(), rows, layer.qkv, m.qkv.data(), false);
    for (i64 r = 0; r < rows; ++r)
      turn_and_keep(model, layer, m.qkv.data() + r * stride, m.cosine.data() + r * half, m.sine.data() + r * half,
                    m.reads.written[r]);
    attend_(model, step, m.reads, layer, m.qkv.data(), stride, m.space, m.states, m.read.data());
    multiply(m.read.data(), rows, layer.output, m.x.data(), true);
    norm_rows(layer.attention_norm, m.normed.data());
    multiply(m.normed.data(), rows, layer.gate_up, m.gate_up.data(), false);
    for (i64 r = 0; r < rows; ++r)
      gated(m.gate_up.data() + r * 2 * model.hidden, model.hidden, m.gated.data() + r * model.hidden);
    multiply(m.gated.data(), rows, layer.down, m.x.data(), true);
  }
  norm_rows(model.norm, hidden);
  for (i64 r = 0; r < step.scored; ++r)
    std::memcpy(m.x.data() + r * size, hidden + step.scored_rows[r] * size, size * sizeof(u16));
  multiply(m.x.data(), step.scored, model.logits, logits, false);
  return 0;
}

}
