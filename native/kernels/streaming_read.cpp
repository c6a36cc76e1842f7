#include "kernels/streaming_read.hpp"

#include <atomic>
#include <cstring>

#include "support/thread_pool.hpp"

namespace edgeshard {

uint64_t streaming_read(const void* data, size_t bytes, unsigned threads) {
    constexpr size_t kBlock = 256 * 1024, kLanes = 16;
    const char* from = static_cast<const char*>(data);
    std::atomic<uint64_t> total{0};
    const size_t blocks = (bytes + kBlock - 1) / kBlock;
    parallel_for(blocks, 1, threads_for(bytes / 8, threads), [&](size_t begin, size_t end) {
        uint64_t lanes[kLanes] = {}, words[kLanes];
        const size_t stop = end * kBlock < bytes ? end * kBlock : bytes;
        for (size_t at = begin * kBlock; at + sizeof words <= stop; at += sizeof words) {
            std::memcpy(words, from + at, sizeof words);
            for (size_t j = 0; j < kLanes; ++j) lanes[j] ^= words[j];
        }
        uint64_t all = 0;
        for (uint64_t lane : lanes) all ^= lane;
        total.fetch_xor(all, std::memory_order_relaxed);
    });
    return total;
}

}  // namespace edgeshard
