#include "support/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "support/interrupt.hpp"

namespace edgeshard {
namespace {

unsigned available_processors() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

// Scans in progress: the ScanTurns alive.
std::atomic<unsigned> scans{0};

// One parallel_for: lives on the caller's stack. Everything but `next` and `failed` is guarded by the pool's mutex.
struct Job {
    size_t n, grain;
    bool yielding;
    detail::RangeFn fn;
    void* context;
    std::atomic<size_t> next{0};
    std::atomic<bool> failed{false};
    unsigned helpers_wanted = 0;  // more threads that may join
    unsigned joined = 1;          // workers so far, the caller is number 0
    unsigned active = 0;          // helpers inside work()
    std::exception_ptr error = nullptr;

    std::exception_ptr work(unsigned worker) noexcept {
        const JobScope scope(&failed);
        try {
            while (!failed.load(std::memory_order_relaxed)) {
                if (yielding && worker && scans.load(std::memory_order_relaxed) > 1) break;  // worker 0 does the rest
                size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
                if (begin >= n) break;
                fn(context, begin, std::min(begin + grain, n), worker);
                if (!worker) check_interrupt();
            }
        } catch (const Abandoned&) {  // who ended the job says why
            return nullptr;
        } catch (...) {
            failed = true;
            return std::current_exception();
        }
        return nullptr;
    }
};

class Pool {
public:
    void run(Job& job) {
        std::unique_lock lock(mutex_);
        start_threads(job.helpers_wanted);
        const unsigned helpers = job.helpers_wanted = std::min(job.helpers_wanted, threads_);
        if (helpers) jobs_.push_back(&job);
        lock.unlock();
        for (unsigned i = 0; i < helpers; ++i) work_.notify_one();
        std::exception_ptr error = job.work(0);
        lock.lock();
        if (auto at = std::find(jobs_.begin(), jobs_.end(), &job); at != jobs_.end()) jobs_.erase(at);
        while (!done_.wait_for(lock, kInterruptEvery, [&] { return job.active == 0; })) {
            if (error) continue;
            lock.unlock();
            error = interrupted(job);
            lock.lock();
        }
        if (!error) error = job.error;
        lock.unlock();
        if (error) std::rethrow_exception(error);
    }

private:
    // What ends a job whose caller only waits for the others, if anything does.
    static std::exception_ptr interrupted(Job& job) noexcept {
        try {
            check_interrupt();
        } catch (...) {
            job.failed = true;
            return std::current_exception();
        }
        return nullptr;
    }

    // Caller holds the mutex. A system that refuses more threads leaves us with those there are.
    void start_threads(unsigned wanted) {
        sigset_t all, before;
        if (threads_ >= wanted) return;
        sigfillset(&all);  // signals belong to the interpreter's main thread
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
        } catch (const std::system_error&) {
            wanted = threads_;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            work_.wait(lock, [&] { return !jobs_.empty(); });
            Job& job = *jobs_.front();
            unsigned worker = job.joined++;
            ++job.active;
            if (--job.helpers_wanted == 0) jobs_.pop_front();
            lock.unlock();
            std::exception_ptr error = job.work(worker);
            lock.lock();
            if (error && !job.error) job.error = error;
            if (--job.active == 0) done_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::deque<Job*> jobs_;
    unsigned threads_ = 0;
};

// Never destroyed: its threads outlive static destructors.
std::atomic<Pool*> current_pool{nullptr};

// A child has none of its parent's threads, neither those of the pool nor those that are searching.
void forget_when_forked() {
    static const int registered = pthread_atfork(nullptr, nullptr, [] {
        current_pool = nullptr;
        scans = 0;
    });
    (void)registered;
}

Pool& pool() {
    forget_when_forked();
    if (Pool* there = current_pool.load()) return *there;
    Pool* fresh = new Pool;
    Pool* there = nullptr;
    if (current_pool.compare_exchange_strong(there, fresh)) return *fresh;
    delete fresh;
    return *there;
}

}  // namespace

unsigned allowed_threads(unsigned asked) {
    static const unsigned available = available_processors();
    static const unsigned limit = [] {
        const char* wish = std::getenv("EDGESHARD_THREADS");
        const long number = wish ? std::strtol(wish, nullptr, 10) : 0;
        return number > 0 ? static_cast<unsigned>(std::min<long>(number, UINT_MAX)) : UINT_MAX;
    }();
    return std::min(asked ? asked : available, limit);
}

unsigned threads_for(uint64_t estimated_ns, unsigned max_threads) {
    if (estimated_ns < kMinParallelNs) return 1;
    uint64_t limit = allowed_threads(max_threads);
    return static_cast<unsigned>(std::max<uint64_t>(1, std::min(limit, estimated_ns / (kMinParallelNs / 2))));
}

ScanTurn::ScanTurn(uint64_t estimated_ns, unsigned max_threads) : threads_(1), yielding_(max_threads == 0) {
    forget_when_forked();
    const bool alone = scans.fetch_add(1, std::memory_order_relaxed) == 0;
    if (!yielding_ || (alone && estimated_ns >= kMinSharedScanNs)) threads_ = threads_for(estimated_ns, max_threads);
}

ScanTurn::~ScanTurn() { scans.fetch_sub(1, std::memory_order_relaxed); }

void detail::run_alone(size_t n, size_t grain, RangeFn fn, void* context) {
    using Clock = std::chrono::steady_clock;
    for (size_t begin = 0, piece = grain; begin < n;) {
        const Clock::time_point start = Clock::now();
        const size_t end = begin + std::min(piece, n - begin);
        fn(context, begin, end, 0);
        begin = end;
        if (begin == n) return;
        check_interrupt();
        if (Clock::now() - start < std::chrono::milliseconds(1)) piece *= 2;
    }
}

void detail::run_ranges(size_t n, size_t grain, unsigned threads, bool yielding, RangeFn fn, void* context) {
    Job job{n, grain, yielding, fn, context};
    job.helpers_wanted = threads - 1;
    pool().run(job);
}

}  // namespace edgeshard
