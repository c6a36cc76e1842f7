#include "support/call_lock.hpp"

#include <algorithm>
#include <chrono>

namespace edgeshard {
namespace {

constexpr std::chrono::milliseconds kAskEvery{100};

}  // namespace

CallLock::Inside::iterator CallLock::mine() {
    return std::find_if(inside_.begin(), inside_.end(),
                        [me = std::this_thread::get_id()](const auto& entry) { return entry.first == me; });
}

// Writers that wait keep new readers out, so that a stream of queries cannot starve an update.
bool CallLock::open_for(Hold hold) const {
    return !writing_ && (hold == Hold::writing ? readers_ == 0 : waiting_writers_ == 0);
}

void CallLock::admit(Inside::iterator entry, Hold hold) {
    entry->second = hold;
    if (hold == Hold::writing)
        writing_ = true;
    else
        ++readers_;
}

void CallLock::forget(Inside::iterator entry) {
    *entry = inside_.back();
    inside_.pop_back();
}

Entry CallLock::try_enter(Hold hold) {
    const std::lock_guard lock(mutex_);
    if (mine() != inside_.end()) return Entry::inside;
    if (!open_for(hold)) return Entry::busy;
    inside_.emplace_back(std::this_thread::get_id(), Hold::waiting);
    admit(inside_.end() - 1, hold);
    return Entry::done;
}

Entry CallLock::enter(Hold hold, const std::function<void()>& meanwhile) {
    std::unique_lock lock(mutex_);
    if (mine() != inside_.end()) return Entry::inside;
    inside_.emplace_back(std::this_thread::get_id(), Hold::waiting);
    const bool writer = hold == Hold::writing;
    waiting_writers_ += writer;
    ++sleepers_;
    const auto stop_waiting = [&] {
        waiting_writers_ -= writer;
        --sleepers_;
    };
    try {
        while (!open_for(hold)) {
            if (changed_.wait_for(lock, kAskEvery) == std::cv_status::no_timeout) continue;
            lock.unlock();
            meanwhile();
            lock.lock();
        }
    } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        stop_waiting();
        forget(mine());
        changed_.notify_all();  // readers that kept behind this writer
        throw;
    }
    stop_waiting();
    admit(mine(), hold);
    return Entry::done;
}

bool CallLock::inside() {
    const std::lock_guard lock(mutex_);
    return mine() != inside_.end();
}

bool CallLock::leave() {
    const std::lock_guard lock(mutex_);
    const auto entry = mine();
    if (entry == inside_.end() || entry->second == Hold::waiting) return false;
    if (entry->second == Hold::writing)
        writing_ = false;
    else
        --readers_;
    forget(entry);
    if (sleepers_ && !readers_) changed_.notify_all();
    return true;
}

bool CallLock::downgrade() {
    const std::lock_guard lock(mutex_);
    const auto entry = mine();
    if (entry == inside_.end() || entry->second != Hold::writing) return false;
    writing_ = false;
    admit(entry, Hold::reading);
    if (sleepers_) changed_.notify_all();
    return true;
}

}  // namespace edgeshard
