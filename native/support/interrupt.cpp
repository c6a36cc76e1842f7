#include "support/interrupt.hpp"

#include <utility>

namespace edgeshard {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<void (*)()> hook{nullptr};
thread_local const std::function<void()>* asked = nullptr;
thread_local const std::atomic<bool>* over = nullptr;
thread_local Clock::time_point last{};

}  // namespace

void check_interrupt() {
    if (over && over->load(std::memory_order_relaxed)) throw Abandoned{};
    const Clock::time_point now = Clock::now();
    if (now - last < kInterruptEvery) return;
    last = now;
    if (asked) (*asked)();
    if (const auto signals = hook.load(std::memory_order_relaxed)) signals();
}

void set_interrupt_hook(void (*function)()) { hook = function; }

InterruptScope::InterruptScope(std::function<void()> ask) : ask_(std::move(ask)), outer_(std::exchange(asked, &ask_)) {}
InterruptScope::~InterruptScope() { asked = outer_; }

JobScope::JobScope(const std::atomic<bool>* job_over) : outer_(std::exchange(over, job_over)) {}
JobScope::~JobScope() { over = outer_; }

}  // namespace edgeshard
