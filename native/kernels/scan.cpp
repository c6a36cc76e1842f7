#include "kernels/scan.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/prefetch.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard {
namespace {

// Half of a small L2 cache: what several queries reuse. Also the piece of work one thread takes at a time.
constexpr size_t kBlockBytes = 256 * 1024;

// Bound of the per-block arrays on the stack.
constexpr size_t kBlockRows = 1024;

size_t rows_per_block(const Rows& rows) {
    return std::clamp<size_t>(kBlockBytes / std::max<size_t>(rows.row_bytes(), 1), 1, kBlockRows);
}

// A rough estimate, only used to decide about threads: 8 bytes per ns from memory, 16 elements per ns in a kernel.
uint64_t estimate_ns(const Rows& rows, size_t row_count, size_t query_count) {
    const uint64_t elements = static_cast<uint64_t>(row_count) * std::max<size_t>(rows.dim(), 16);
    return std::max<uint64_t>(elements * element_size(rows.type()) / 8, elements * query_count / 16);
}

// The queries of a scan, copied to cache line boundaries (a load that crosses a line costs two), and their kernels. Zeros
// fill up the last tile.
struct Kernel {
    Kernel(const Rows& rows, Queries queries, const ScanOptions& options)
        : query_count(queries.count), dim(rows.dim()), row_bytes(rows.row_bytes()),
          query_stride((row_bytes + kCacheLine - 1) / kCacheLine * kCacheLine),
          lines(std::max<size_t>((query_count + kTile - 1) / kTile * kTile * query_stride / kCacheLine, 1)),
          fn(distance_kernels(options.distance, rows.type(), options.isa)) {
        for (size_t q = 0; q < query_count && row_bytes; ++q)
            std::memcpy(reinterpret_cast<char*>(lines.data()) + q * query_stride,
                        static_cast<const char*>(queries.data) + q * row_bytes, row_bytes);
    }

    const char* query(size_t q) const { return reinterpret_cast<const char*>(lines.data()) + q * query_stride; }

    // sims[i] = query q with row_at(i), for i < n; the next rows are prefetched if they are scattered.
    template <bool scattered, class RowAt>
    void one(size_t q, size_t n, RowAt&& row_at, float* sims) const {
        for (size_t i = 0; i < n; ++i) {
            if (scattered && i + kPrefetchRows < n) prefetch_row(row_at(i + kPrefetchRows), row_bytes);
            sims[i] = fn.pair(query(q), row_at(i), dim);
        }
    }

    // sims[j][i] = query q + j with row_at(i), for the kTile queries from q on.
    template <bool scattered, class RowAt>
    void tile(size_t q, size_t n, RowAt&& row_at, float (*sims)[kBlockRows]) const {
        for (size_t i = 0; i < n; ++i) {
            float out[kTile];
            if (scattered && i + kPrefetchRows < n) prefetch_row(row_at(i + kPrefetchRows), row_bytes);
            fn.tile(query(q), query_stride, row_at(i), dim, out);
            for (size_t j = 0; j < kTile; ++j) sims[j][i] = out[j];
        }
    }

    // Calls take(q, sims) for every query with the similarities of at most kBlockRows rows.
    template <bool scattered, class RowAt, class Take>
    void all_queries(size_t n, RowAt&& row_at, Take&& take) const {
        float sims[kTile][kBlockRows];
        size_t q = 0;
        for (; q + kTile <= query_count; q += kTile) {
            tile<scattered>(q, n, row_at, sims);
            for (size_t j = 0; j < kTile; ++j) take(q + j, sims[j]);
        }
        for (; q < query_count; ++q) {
            one<scattered>(q, n, row_at, sims[0]);
            take(q, sims[0]);
        }
    }

    struct alignas(kCacheLine) Line {
        char bytes[kCacheLine];
    };
    size_t query_count, dim, row_bytes, query_stride;
    std::vector<Line> lines;
    DistanceKernels fn;
};

// Offers the rows of one block to the heap of every query.
void scan_block(const Kernel& kernel, const Block& block, const uint8_t* mask, TopK* tops) {
    uint32_t chosen[kBlockRows + 1];
    const size_t n = mask ? choose_masked(mask + block.first, block.rows, 0, chosen) : block.rows;
    if (n == 0) return;
    const auto offer = [&](auto&& offset_of) {
        return [&](size_t q, const float* sims) {
            TopK& top = tops[q];
            for (size_t i = 0; i < n; ++i)
                if (!(sims[i] < top.floor())) top.offer(sims[i], static_cast<uint32_t>(block.first + offset_of(i)));
        };
    };
    const auto consecutive = [](size_t i) { return i; };
    const auto listed = [&](size_t i) { return chosen[i]; };
    if (n == block.rows)
        kernel.all_queries<false>(n, [&](size_t i) { return block.data + i * kernel.row_bytes; }, offer(consecutive));
    else
        kernel.all_queries<true>(n, [&](size_t i) { return block.data + chosen[i] * kernel.row_bytes; }, offer(listed));
}

// Runs work(begin, end, tops) over [0, n) with one set of heaps per thread and merges them into the first set.
template <class Work>
std::vector<TopK> collect(size_t n, const ScanTurn& turn, size_t query_count, size_t k, Work&& work) {
    std::vector<TopK> tops(query_count * turn.threads(), TopK(k));
    turn.parallel_for(n, 1, [&](size_t begin, size_t end, unsigned worker) {
        work(begin, end, tops.data() + worker * query_count);
    });
    for (size_t i = query_count; i < tops.size(); ++i) tops[i % query_count].offer_all(tops[i]);
    tops.resize(query_count);
    return tops;
}

// The larger of two similarities, a number rather than NaN. Without a jump: which one it is cannot be foreseen.
inline float better(float best, float sim) { return sim > best || best != best ? sim : best; }
typedef float Four __attribute__((vector_size(16)));

// MaxSim of one point; NaN without rows.
float maxsim(const Kernel& kernel, const Rows& rows, const Points& points, size_t point) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    const size_t n = points.count[point], first = points.first[point];
    if (n == 0) return nan;
    const char* start = rows.row(first);
    const bool together = rows.together(first) >= n;
    const auto row_at = [&](size_t i) { return together ? start + i * kernel.row_bytes : rows.row(first + i); };
    float sum = 0;
    size_t q = 0;
    const size_t in_tiles = kernel.query_count + (kTile - kernel.fn.least_in_tile);
    for (; q + kTile <= in_tiles; q += kTile) {
        static_assert(kTile == 4);
        Four best, sims;
        const auto compare = [&](size_t i, Four& with) {
            float found[kTile];
            kernel.fn.tile(kernel.query(q), kernel.query_stride, row_at(i), kernel.dim, found);
            std::memcpy(&with, found, sizeof(with));
        };
        compare(0, best);
        for (size_t i = 1; i < n; ++i) {
            compare(i, sims);
            best = (sims > best) | (best != best) ? sims : best;  // better() of each
        }
        for (size_t j = 0; j < std::min(kTile, kernel.query_count - q); ++j) sum += best[j];
    }
    for (; q < kernel.query_count; ++q) {
        float best = nan;
        for (size_t i = 0; i < n; ++i) best = better(best, kernel.fn.pair(kernel.query(q), row_at(i), kernel.dim));
        sum += best;
    }
    return sum;
}

[[gnu::always_inline]] inline void prefetch_point(const Rows& rows, const Points& points, size_t point) {
    if (points.count[point]) prefetch_row(rows.row(points.first[point]), rows.row_bytes());
}

// How many points are about one block's worth of rows, if `n_points` have `n_rows`.
size_t points_per_block(const Rows& rows, size_t n_points, size_t n_rows) {
    const size_t rows_per_point = std::max<size_t>(n_rows / std::max<size_t>(n_points, 1), 1);
    return std::max<size_t>(rows_per_block(rows) / rows_per_point, 1);
}

}  // namespace

std::vector<std::vector<Hit>> scan_topk(const Rows& rows, Queries queries, const uint8_t* mask, size_t k,
                                        const ScanOptions& options) {
    const Kernel kernel(rows, queries, options);
    const std::vector<Block> blocks = make_blocks(rows, rows_per_block(rows));
    const ScanTurn turn(estimate_ns(rows, rows.count(), queries.count), options.threads);
    auto tops = collect(blocks.size(), turn, queries.count, std::min(k, rows.count()),
                        [&](size_t begin, size_t end, TopK* heaps) {
                            for (size_t b = begin; b < end; ++b) scan_block(kernel, blocks[b], mask, heaps);
                        });
    std::vector<std::vector<Hit>> out;
    for (TopK& top : tops) out.push_back(top.sorted());
    return out;
}

void scan_all(const Rows& rows, Queries queries, float* sims, const ScanOptions& options) {
    const Kernel kernel(rows, queries, options);
    const std::vector<Block> blocks = make_blocks(rows, rows_per_block(rows));
    const ScanTurn turn(estimate_ns(rows, rows.count(), queries.count), options.threads);
    turn.parallel_for(blocks.size(), 1, [&](size_t begin, size_t end) {
        for (size_t b = begin; b < end; ++b) {
            const Block& block = blocks[b];
            kernel.all_queries<false>(
                block.rows, [&](size_t i) { return block.data + i * kernel.row_bytes; },
                [&](size_t q, const float* from) {
                    std::copy_n(from, block.rows, sims + q * rows.count() + block.first);
                });
        }
    });
}

void score_offsets(const Rows& rows, Queries queries, const uint32_t* offsets, size_t n, float* sims,
                   const ScanOptions& options) {
    const Kernel kernel(rows, queries, options);
    const size_t grain = rows_per_block(rows);
    const ScanTurn turn(2 * estimate_ns(rows, n, queries.count), options.threads);
    turn.parallel_for((n + grain - 1) / grain, 1, [&](size_t begin, size_t end) {
        for (size_t b = begin; b < end; ++b) {
            const size_t at = b * grain, m = std::min(grain, n - at);
            const char* pointers[kBlockRows];
            for (size_t i = 0; i < m; ++i) pointers[i] = rows.row(offsets[at + i]);
            kernel.all_queries<true>(
                m, [&](size_t i) { return pointers[i]; },
                [&](size_t q, const float* from) { std::copy_n(from, m, sims + q * n + at); });
        }
    });
}

std::vector<Hit> maxsim_topk(const Rows& rows, const Points& points, Queries query, const uint8_t* mask, size_t k,
                             const ScanOptions& options) {
    const Kernel kernel(rows, query, options);
    const size_t grain = points_per_block(rows, points.n, rows.count());
    const ScanTurn turn(estimate_ns(rows, rows.count(), query.count), options.threads);
    auto tops = collect((points.n + grain - 1) / grain, turn, 1, std::min(k, points.n),
                        [&](size_t begin, size_t end, TopK* top) {
                            for (size_t p = begin * grain; p < std::min(end * grain, points.n); ++p) {
                                if (mask && !mask[p]) continue;
                                const float sim = maxsim(kernel, rows, points, p);
                                if (!(sim < top->floor())) top->offer(sim, static_cast<uint32_t>(p));
                            }
                        });
    return tops[0].sorted();
}

void maxsim_offsets(const Rows& rows, const Points& points, Queries query, const uint32_t* offsets, size_t n,
                    float* sims, const ScanOptions& options) {
    const Kernel kernel(rows, query, options);
    size_t n_rows = 0;
    for (size_t i = 0; i < n; ++i) n_rows += points.count[offsets[i]];
    const ScanTurn turn(2 * estimate_ns(rows, n_rows, query.count), options.threads);
    turn.parallel_for(n, points_per_block(rows, n, n_rows), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            if (i + 1 < end) prefetch_point(rows, points, offsets[i + 1]);
            sims[i] = maxsim(kernel, rows, points, offsets[i]);
        }
    });
}

}  // namespace edgeshard
