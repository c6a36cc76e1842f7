// A lock around the calls of one shard: many readers or one writer, writers first.
//
// It knows the threads that are inside, because a signal handler, a callback or a destructor runs in the middle of a
// call of its own thread: waiting for that call to end would be for ever, so such a second entry is refused.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace edgeshard {

enum class Hold : uint8_t { waiting, reading, writing };
enum class Entry : uint8_t { done, busy, inside };

class CallLock {
public:
    // Enters without waiting. `busy`: others are in the way; `inside`: this thread is, or is waiting already.
    Entry try_enter(Hold hold);

    // Enters once others have left. `meanwhile` is called ten times a second while it waits; if it throws, the thread is
    // as it was, and so are the others.
    Entry enter(Hold hold, const std::function<void()>& meanwhile);

    // Whether this thread is in a call, or waits to be.
    bool inside();

    // Lets go of what this thread holds; false if it holds nothing.
    bool leave();

    // Makes a reader of the writer without letting another writer in between; false if this thread does not write.
    bool downgrade();

private:
    using Inside = std::vector<std::pair<std::thread::id, Hold>>;

    Inside::iterator mine();
    bool open_for(Hold hold) const;
    void admit(Inside::iterator entry, Hold hold);
    void forget(Inside::iterator entry);

    std::mutex mutex_;
    std::condition_variable changed_;
    Inside inside_;  // as many as threads are in calls at this moment
    size_t readers_ = 0, waiting_writers_ = 0, sleepers_ = 0;
    bool writing_ = false;
};

}  // namespace edgeshard
