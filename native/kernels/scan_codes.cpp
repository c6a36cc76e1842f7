#include "kernels/scan_codes.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/prefetch.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard {
namespace {

constexpr size_t kBlockRows = 512;
// A pass over half-byte codes is not worth a second one over what it leaves: for fewer rows than this, for rows that lie
// too far apart (then it is not their bytes that take the time), for more queries (their comparisons take longer than
// reading the rows once for all of them), and if it leaves more than this share.
constexpr size_t kNibbleRows = 2048;
// From this share of wanted rows on, comparing the half-byte codes of all of a block is faster than leaving the others out:
// rows that follow one another are read ahead of time.
constexpr double kDenseShare = 0.35;
constexpr size_t kNibbleQueries = 3;
constexpr float kNibbleShare = 0.2f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A query in the form of codes8.hpp, with its memory.
class PreparedQuery {
public:
    PreparedQuery(const float* query, size_t dim, Distance distance) : codes_(nibble_query_size(dim) / kCodePadding) {
        int8_t* codes = reinterpret_cast<int8_t*>(codes_.data());
        double squares[kLanes] = {};
        float most[kLanes] = {};
        const auto measure = [&](size_t i, size_t j) {
            squares[j] += static_cast<double>(query[i]) * query[i];
            most[j] = std::max(most[j], std::fabs(query[i]));
        };
        in_lanes(dim, measure);
        const double length2 = sum_of(squares), largest = *std::max_element(most, most + kLanes);
        usable_ = length2 < double{kLargestNorm} * kLargestNorm;  // false for NaN, too
        if (!usable_) return;
        const float step = largest < 1e-30 ? 0.0f : static_cast<float>(largest / 127);
        const double whole = step, inverse = step > 0 ? 1 / whole : 0;
        double missing[kLanes] = {}, coded[kLanes] = {};
        int32_t sums[kLanes] = {};
        const auto put = [&](size_t i, size_t j) {
            const double w = std::clamp((query[i] * inverse + kRound) - kRound, -127.0, 127.0), left = query[i] - whole * w;
            codes[i] = static_cast<int8_t>(static_cast<int32_t>(w));
            sums[j] += codes[i];
            missing[j] += left * left;
            coded[j] += w * w;
        };
        in_lanes(dim, put);
        form_.sum = sum_of(sums);
        const double missing2 = sum_of(missing), coded2 = sum_of(coded);
        form_.codes = codes;
        form_.step = step;
        set_bounds(dim, distance, std::sqrt(length2), std::sqrt(missing2), step * std::sqrt(coded2));
    }

    bool usable() const { return usable_; }
    const CodeQuery& form() const { return form_; }

private:
    // Sums run in lanes of their own: one after the other each addition would wait for the one before.
    static constexpr size_t kLanes = 8;
    static constexpr double kRound = 0x1.8p52;  // adding it rounds to a whole number

    template <class F>
    static void in_lanes(size_t dim, F&& each) {
        const size_t whole = dim / kLanes * kLanes;
        for (size_t i = 0; i < whole; i += kLanes)
            for (size_t j = 0; j < kLanes; ++j) each(i + j, j);
        for (size_t i = whole; i < dim; ++i) each(i, i - whole);
    }

    template <class T>
    static T sum_of(const T (&lanes)[kLanes]) {
        T sum = 0;
        for (T lane : lanes) sum += lane;
        return sum;
    }

    // The coefficients of codes8.hpp. Each factor 1 + 2^-18 or summand 2^-20 covers the float arithmetic of the
    // interval itself, which takes fewer than 16 roundings of 2^-24.
    void set_bounds(size_t dim, Distance distance, double length, double missing, double coded) {
        const double n = static_cast<double>(dim), u = 0x1p-24, wider = 1 + 0x1p-18;
        const double gamma = (2 * n + 16) * u / (1 - (2 * n + 16) * u);
        form_.euclid = distance == Distance::euclid;
        form_.length = static_cast<float>(length);
        form_.length2 = static_cast<float>(length * length);
        form_.slack = static_cast<float>((n + 16) * 0x1p-133);
        form_.by_error = static_cast<float>(length * (1 + gamma) * wider + 0x1p-120);
        form_.by_norm = static_cast<float>(form_.euclid ? 2 * missing * wider
                                                        : (missing + gamma * length + 0x1p-20 * coded) * wider);
        form_.gamma = static_cast<float>(gamma + 0x1p-20);
    }

    struct alignas(kCodePadding) Line {
        int8_t bytes[kCodePadding] = {};
    };
    std::vector<Line> codes_;
    CodeQuery form_{};
    bool usable_ = false;
};

struct Candidate {
    float upper;
    uint32_t offset;
};

// What one thread knows about one query.
struct State {
    explicit State(size_t k) : lower_bounds(k) {}

    TopK lower_bounds;
    std::vector<Candidate> candidates;
    size_t compact_at = 4096;

    // Takes rows, at most kBlockRows, whose upper bounds reach the floor, which it raises. Those that do are listed first,
    // without branches: which ones they are cannot be predicted.
    template <class OffsetOf>
    float take(float floor, size_t n, const float* lower, const float* upper, OffsetOf&& offset_of) {
        floor = std::max(floor, lower_bounds.floor());
        uint32_t reaching[kBlockRows];
        size_t m = 0;
        for (size_t i = 0; i < n; ++i) {
            reaching[m] = static_cast<uint32_t>(i);
            m += !(upper[i] < floor);  // NaN bounds nothing
        }
        for (size_t j = 0; j < m; ++j) {
            const size_t i = reaching[j];
            if (upper[i] < floor) continue;
            const float reach = upper[i] == upper[i] ? upper[i] : kInfinity;
            candidates.push_back({reach, offset_of(i)});
            lower_bounds.offer(lower[i], offset_of(i));
            floor = std::max(floor, lower_bounds.floor());
        }
        return floor;
    }

    void drop_below(float floor) {
        std::erase_if(candidates, [floor](const Candidate& c) { return c.upper < floor; });
        compact_at = std::max<size_t>(4096, 2 * candidates.size());
    }
};

// The best floor any thread has found for a query; every thread's floor holds for all.
class SharedFloor {
public:
    float get() const { return value_.load(std::memory_order_relaxed); }
    void raise(float floor) {
        float seen = get();
        while (floor > seen && !value_.compare_exchange_weak(seen, floor, std::memory_order_relaxed)) {
        }
    }

private:
    std::atomic<float> value_{-kInfinity};
};

class CodeScan {
public:
    CodeScan(const CodeRows& codes, CodeBoundsFn bounds, size_t count, const std::vector<PreparedQuery>& queries,
             const Selection& selection, size_t k)
        : codes_(codes), bounds_(bounds), n_(selection.listed ? selection.n : count), queries_(queries),
          selection_(selection), k_(k), floors_(queries.size()) {}

    // The candidates of every query, all with upper bounds that reach the query's floor.
    std::vector<State> run(const ScanTurn& turn) {
        const size_t n = n_, q = queries_.size();
        std::vector<State> states(q * turn.threads(), State(k_));
        turn.parallel_for((n + kBlockRows - 1) / kBlockRows, 1, [&](size_t begin, size_t end, unsigned worker) {
            for (size_t at = begin * kBlockRows; at < std::min(end * kBlockRows, n); at += kBlockRows)
                scan_block(at, std::min(kBlockRows, n - at), states.data() + worker * q);
        });
        for (size_t i = q; i < states.size(); ++i) {
            State& first = states[i % q];
            first.lower_bounds.offer_all(states[i].lower_bounds);
            first.candidates.insert(first.candidates.end(), states[i].candidates.begin(), states[i].candidates.end());
        }
        states.erase(states.begin() + static_cast<std::ptrdiff_t>(q), states.end());
        for (State& state : states) state.drop_below(state.lower_bounds.floor());
        return states;
    }

private:
    void scan_block(size_t at, size_t rows, State* states) {
        uint32_t chosen[kBlockRows + 1];
        size_t block = rows;
        const uint32_t* listed = selection_.listed ? selection_.listed + at : nullptr;
        bool compares_all = false;
        if (selection_.mask) {
            const size_t n = choose_masked(selection_.mask + at, rows, static_cast<uint32_t>(at), chosen);
            if (n == 0) return;
            if (n < rows) listed = chosen;
            compares_all = listed && !codes_.scale && static_cast<double>(n) >= kDenseShare * static_cast<double>(rows);
            block = compares_all ? rows : n;
            rows = n;
        }
        for (size_t q = 0; q < queries_.size(); ++q) {
            float lower[kBlockRows], upper[kBlockRows];
            const bool in_turn = compares_all || selection_.copies;
            bounds_(queries_[q].form(), codes_, at, in_turn ? nullptr : listed, block, lower, upper);
            for (size_t i = 0; compares_all && i < rows; ++i) {
                lower[i] = lower[chosen[i] - at];  // chosen[i] >= at + i
                upper[i] = upper[chosen[i] - at];
            }
            State& state = states[q];
            const float floor = state.take(floors_[q].get(), rows, lower, upper,
                                           [&](size_t i) { return listed ? listed[i] : static_cast<uint32_t>(at + i); });
            floors_[q].raise(floor);
            if (state.candidates.size() > state.compact_at) state.drop_below(floor);
        }
    }

    const CodeRows codes_;
    const CodeBoundsFn bounds_;
    const size_t n_;
    const std::vector<PreparedQuery>& queries_;
    const Selection selection_;
    const size_t k_;
    std::vector<SharedFloor> floors_;
};

// What is left of the candidates of a pass over half-byte codes once their byte codes are looked at; their number before
// that is told in `looked_at`.
State narrow(const Codes8& codes, const PreparedQuery& query, State& coarse, size_t k, size_t& looked_at) {
    float lower[kBlockRows], upper[kBlockRows];
    uint32_t listed[kBlockRows];
    // The rows with the best lower bounds first: theirs by byte codes leave out most of the others at once.
    TopK best(k);
    const std::vector<Hit>& first = coarse.lower_bounds.sorted();
    for (size_t at = 0; at < first.size(); at += kBlockRows) {
        const size_t n = std::min(kBlockRows, first.size() - at);
        for (size_t i = 0; i < n; ++i) listed[i] = first[at + i].offset;
        codes.kernels().bounds(query.form(), codes.rows(), 0, listed, n, lower, upper);
        for (size_t i = 0; i < n; ++i) best.offer(lower[i], listed[i]);
    }
    float floor = best.floor();
    coarse.drop_below(floor);
    const std::vector<Candidate>& left = coarse.candidates;
    looked_at = left.size();
    State fine(k);
    for (size_t at = 0; at < left.size(); at += kBlockRows) {
        const size_t n = std::min(kBlockRows, left.size() - at);
        for (size_t i = 0; i < n; ++i) listed[i] = left[at + i].offset;
        codes.kernels().bounds(query.form(), codes.rows(), 0, listed, n, lower, upper);
        floor = fine.take(floor, n, lower, upper, [&](size_t i) { return listed[i]; });
    }
    fine.drop_below(floor);
    return fine;
}

// Compares the candidates as floats, best upper bound first, while one can still be among the k best.
std::vector<Hit> rescore(const Rows& rows, const void* query, std::vector<Candidate>& candidates, size_t k,
                         const ScanOptions& options, size_t& rescored) {
    const DistanceFn fn = distance_fn(options.distance, rows.type(), options.isa);
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.upper > b.upper || (a.upper == b.upper && a.offset < b.offset);
    });
    TopK top(k);
    const size_t n = candidates.size();
    const auto prefetch = [&](size_t i) {
        if (i < n) prefetch_row(rows.row(candidates[i].offset), rows.row_bytes());
    };
    for (size_t i = 0; i < kPrefetchRows; ++i) prefetch(i);
    size_t i = 0;
    for (; i < n && !(candidates[i].upper < top.floor()); ++i) {
        prefetch(i + kPrefetchRows);
        top.offer(fn(query, rows.row(candidates[i].offset), rows.dim()), candidates[i].offset);
    }
    rescored += i;
    return top.sorted();
}

// The float scan over a selection, where codes do not help.
std::vector<Hit> scan_floats(const Rows& rows, const void* query, const Selection& selection, size_t k,
                             const ScanOptions& options) {
    if (!selection.listed) return scan_topk(rows, {query, 1}, selection.mask, k, options)[0];
    std::vector<float> sims(selection.n);
    score_offsets(rows, {query, 1}, selection.listed, selection.n, sims.data(), options);
    TopK top(std::min(k, selection.n));
    for (size_t i = 0; i < selection.n; ++i) top.offer(sims[i], selection.listed[i]);
    return top.sorted();
}

// Whether so many of the rows are wanted, and in the order they lie in, that a pass over half-byte codes is fast.
bool lie_close(const Rows& rows, const Selection& selection, size_t k) {
    if (selection.listed) return false;
    size_t wanted = rows.count();
    if (selection.mask) {
        wanted = 0;
        for (size_t i = 0; i < rows.count(); ++i) wanted += selection.mask[i] != 0;
    }
    return wanted >= kNibbleRows && k <= wanted / 16 &&
           static_cast<double>(wanted) >= kDenseShare * static_cast<double>(rows.count());
}

}  // namespace

void Codes8::encode(const char* row, size_t offset) {
    kernels_.encode(reinterpret_cast<const float*>(row), dim_, codes_.data() + offset * stride_, stride_,
                    scale_.data() + offset, error_.data() + offset, norm_.data() + offset);
    if (has_nibbles_) encode_nibbles_of(offset);
}

void Codes8::encode_nibbles_of(size_t offset) {
    encode_nibbles(codes_.data() + offset * stride_, dim_, scale_.data()[offset], error_.data()[offset],
                   nibbles_.data() + offset * nibble_stride(dim_));
}

void Codes8::extend(Chunk rows, unsigned threads) {
    const size_t total = count_ + rows.rows;
    codes_.reserve(total * stride_);
    for (HugeBuffer<float>* numbers : {&scale_, &error_, &norm_}) numbers->reserve(total);
    if (has_nibbles_) nibbles_.reserve(total * nibble_stride(dim_));
    parallel_for(rows.rows, 1024, threads_for(rows.rows * dim_ / 4, threads), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) encode(rows.data + i * dim_ * sizeof(float), count_ + i);
    });
    count_ = total;
}

void Codes8::borrow(const CodeRows& bytes, const uint8_t* nibbles, size_t rows) {
    codes_.borrow(bytes.codes, rows * stride_);
    scale_.borrow(bytes.scale, rows);
    error_.borrow(bytes.error, rows);
    norm_.borrow(bytes.norm, rows);
    has_nibbles_ = nibbles != nullptr;
    if (nibbles) nibbles_.borrow(nibbles, rows * nibble_stride(dim_));
    count_ = rows;
}

void Codes8::update(const uint32_t* offsets, const char* rows, size_t n) {
    if (n) {
        codes_.own();
        nibbles_.own();
        for (HugeBuffer<float>* numbers : {&scale_, &error_, &norm_}) numbers->own();
    }
    for (size_t i = 0; i < n; ++i) encode(rows + i * dim_ * sizeof(float), offsets[i]);
}

void Codes8::copy_to(Codes8& target, const uint32_t* offsets, size_t n) const {
    target.codes_.reserve(n * stride_);
    for (HugeBuffer<float>* numbers : {&target.scale_, &target.error_, &target.norm_}) numbers->reserve(n);
    for (size_t i = 0; i < n; ++i) {
        std::memcpy(target.codes_.data() + i * stride_, codes_.data() + offsets[i] * stride_, stride_);
        target.scale_.data()[i] = scale_.data()[offsets[i]];
        target.error_.data()[i] = error_.data()[offsets[i]];
        target.norm_.data()[i] = norm_.data()[offsets[i]];
    }
    target.count_ = n;
}

void Codes8::make_nibbles(unsigned threads) {
    if (has_nibbles_) return;
    nibbles_.reserve(count_ * nibble_stride(dim_));
    parallel_for(count_, 1024, threads_for(count_ * dim_, threads), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) encode_nibbles_of(i);
    });
    has_nibbles_ = true;
}

bool Codes8::nibbles_pay() const {
    constexpr uint32_t kTryEvery = 64;
    if (left_.load(std::memory_order_relaxed) < kNibbleShare) return true;
    return passed_over_.fetch_add(1, std::memory_order_relaxed) % kTryEvery == kTryEvery - 1;
}

void Codes8::note_left(double share) const {
    const float before = left_.load(std::memory_order_relaxed);
    left_.store(before + (static_cast<float>(share) - before) / 8, std::memory_order_relaxed);
}

std::vector<std::vector<Hit>> scan_topk_codes(const Codes8& codes, const Rows& rows, Queries queries,
                                              const Selection& selection, size_t k, const ScanOptions& options,
                                              size_t* rescored) {
    const size_t selected = selection.listed ? selection.n : rows.count();
    k = std::min(k, selected);
    const auto query = [&](size_t q) { return static_cast<const char*>(queries.data) + q * rows.row_bytes(); };
    std::vector<PreparedQuery> prepared;
    prepared.reserve(queries.count);
    bool usable = k > 0;
    for (size_t q = 0; q < queries.count; ++q) {
        prepared.emplace_back(reinterpret_cast<const float*>(query(q)), rows.dim(), options.distance);
        usable = usable && prepared.back().usable();
    }
    std::vector<std::vector<Hit>> out(queries.count);
    std::vector<State> states;
    const bool halved = codes.has_nibbles() && queries.count <= kNibbleQueries && lie_close(rows, selection, k) &&
                        codes.nibbles_pay();
    const uint64_t estimated_ns = static_cast<uint64_t>(selected) * std::max<size_t>(rows.dim(), 64) *
                                  std::max<size_t>(queries.count, 2) / (halved ? 128 : 64);
    if (usable) {
        const CodeRows coded = halved ? codes.nibbles() : (selection.copies ? *selection.copies : codes).rows();
        const CodeBoundsFn bounds = halved ? codes.bounds_of_nibbles() : codes.kernels().bounds;
        states = CodeScan(coded, bounds, rows.count(), prepared, selection, k).run(ScanTurn(estimated_ns, options.threads));
        for (size_t q = 0; halved && q < queries.count; ++q) {
            size_t looked_at = 0;
            states[q] = narrow(codes, prepared[q], states[q], k, looked_at);
            codes.note_left(static_cast<double>(looked_at) / static_cast<double>(selected));
        }
    }
    size_t compared = 0;
    for (size_t q = 0; q < queries.count; ++q) {
        if (usable && states[q].candidates.size() <= selected / 4 + k) {
            out[q] = rescore(rows, query(q), states[q].candidates, k, options, compared);
        } else {
            out[q] = scan_floats(rows, query(q), selection, k, options);
            compared += selected;
        }
    }
    if (rescored) *rescored = compared;
    return out;
}

}  // namespace edgeshard
