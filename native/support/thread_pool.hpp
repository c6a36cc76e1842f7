// One pool of threads for the whole process.
//
// Nothing is started until work is shared out for the first time. The calling thread always takes part and returns
// when all of its work is done, so nested and concurrent calls cannot wait for each other in a circle. A child made
// by fork() has none of its parent's threads: a pthread_atfork handler makes it forget the parent's pool (and any lock
// that was held), and the child starts its own at first use.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace edgeshard {

// Below this much work waking another thread (about 30 us, more on a busy machine) costs more than it brings.
inline constexpr uint64_t kMinParallelNs = 300'000;

// How many of so many threads may be used, for 0 one per processor of the affinity mask: at most EDGESHARD_THREADS. At
// least 1.
unsigned allowed_threads(unsigned asked = 0);

// How many threads `estimated_ns` of work deserves: 1 below kMinParallelNs, then one per 150 us, at most `max_threads`
// (0 = one per processor).
unsigned threads_for(uint64_t estimated_ns, unsigned max_threads = 0);

// One exact search in progress, from construction to destruction, and how many threads it may use.
//
// A scan is bound by memory, and callers with several threads of their own want each search to keep to one. So a scan
// that may choose (`max_threads` 0) is shared out only if it is long, no other one is in progress, and as long as that
// is so: helpers leave when a second search begins. With `max_threads` given it is threads_for(estimated_ns, max_threads).
class ScanTurn {
public:
    explicit ScanTurn(uint64_t estimated_ns, unsigned max_threads = 0);
    ~ScanTurn();
    ScanTurn(const ScanTurn&) = delete;
    ScanTurn& operator=(const ScanTurn&) = delete;

    unsigned threads() const { return threads_; }

    // parallel_for on threads().
    template <class F>
    void parallel_for(size_t n, size_t grain, F&& fn) const;

private:
    unsigned threads_;
    bool yielding_;
};

// Scans shorter than this stay on the caller's thread unless they are told a number of threads.
inline constexpr uint64_t kMinSharedScanNs = 1'000'000;

namespace detail {
using RangeFn = void (*)(void* context, size_t begin, size_t end, unsigned worker);
// All of it in the calling thread, in ranges that grow until one takes long enough to ask check_interrupt() after it.
void run_alone(size_t n, size_t grain, RangeFn fn, void* context);
// With `yielding`, helpers take no further range while more than one ScanTurn exists.
void run_ranges(size_t n, size_t grain, unsigned threads, bool yielding, RangeFn fn, void* context);
}  // namespace detail

// Calls fn(begin, end) or fn(begin, end, worker) for ranges that cover [0, n) once, `grain` items at a time, on up to
// `max_threads` threads including the caller's (0 = one per processor). `worker` is smaller than the number of threads
// and no two calls that overlap in time share one: an index into scratch space. With one thread, or one range, nobody
// is woken. The first exception thrown by fn stops the handing out of ranges and is rethrown here, and so does what
// check_interrupt() throws, which is asked between ranges and while the others finish. `yielding`: see ScanTurn.
template <class F>
void parallel_for(size_t n, size_t grain, unsigned max_threads, F&& fn, bool yielding = false) {
    if (n == 0) return;
    grain = std::max<size_t>(grain, 1);
    unsigned threads = allowed_threads(max_threads);
    threads = static_cast<unsigned>(std::min<size_t>(threads, (n + grain - 1) / grain));
    using Fn = std::remove_reference_t<F>;
    auto call = [](void* context, size_t begin, size_t end, unsigned worker) {
        Fn& f = *static_cast<Fn*>(context);
        if constexpr (std::is_invocable_v<Fn&, size_t, size_t, unsigned>)
            f(begin, end, worker);
        else
            f(begin, end);
    };
    void* context = const_cast<void*>(static_cast<const void*>(&fn));
    if (n <= grain) return call(context, 0, n, 0u);
    if (threads <= 1) return detail::run_alone(n, grain, call, context);
    detail::run_ranges(n, grain, threads, yielding, call, context);
}

template <class F>
void ScanTurn::parallel_for(size_t n, size_t grain, F&& fn) const {
    edgeshard::parallel_for(n, grain, threads_, fn, yielding_);
}

}  // namespace edgeshard
