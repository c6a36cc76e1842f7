// Stopping long computations: Ctrl-C, or a caller that has changed its mind.
//
// Loops that may run for long ask check_interrupt() now and then; parallel_for does it between ranges, and while the
// calling thread waits for the others. What is asked is set from outside, since the kernels know no Python: one function
// for the whole process (pending signals), and one for whatever a thread computes inside an InterruptScope.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>

namespace edgeshard {

// How often what was set from outside is asked; in between check_interrupt() only looks at the clock.
inline constexpr std::chrono::milliseconds kInterruptEvery{100};

// Thrown in helper threads when their job is over; parallel_for keeps it to itself.
struct Abandoned {};

// Returns if the computation goes on, throws what `hook`, the function of the scope, or Abandoned otherwise.
void check_interrupt();

// `hook` may be called by any thread and throws if the computation of that thread must end.
void set_interrupt_hook(void (*hook)());

// While it lives, `ask` is called by this thread's check_interrupt(), and throws if the computation must end.
class InterruptScope {
public:
    explicit InterruptScope(std::function<void()> ask);
    ~InterruptScope();
    InterruptScope(const InterruptScope&) = delete;
    InterruptScope& operator=(const InterruptScope&) = delete;

private:
    std::function<void()> ask_;
    const std::function<void()>* outer_;
};

// While it lives, this thread works on a job that is over once `over` is true.
class JobScope {
public:
    explicit JobScope(const std::atomic<bool>* over);
    ~JobScope();
    JobScope(const JobScope&) = delete;
    JobScope& operator=(const JobScope&) = delete;

private:
    const std::atomic<bool>* outer_;
};

}  // namespace edgeshard
