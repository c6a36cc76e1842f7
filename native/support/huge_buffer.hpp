// Uninitialised memory that grows: cache line aligned, on huge pages where the system grants them.
#pragma once
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace edgeshard {

// An array of trivially copyable T. Growing moves the elements; new ones have no defined value.
template <class T>
class HugeBuffer {
public:
    HugeBuffer() = default;
    HugeBuffer(const HugeBuffer&) = delete;
    HugeBuffer& operator=(const HugeBuffer&) = delete;
    ~HugeBuffer() { release(); }

    T* data() { return data_; }
    const T* data() const { return data_; }
    size_t capacity() const { return capacity_; }

    // Shows memory of somebody else's, of `size` elements, which must stay and is never written to: reserve() for more, or
    // own(), copies it first.
    void borrow(const T* data, size_t size) {
        release();
        data_ = const_cast<T*>(data);
        capacity_ = size;
        borrowed_ = true;
    }
    void own() {
        if (borrowed_) move_to(capacity_);
    }
    bool borrowed() const { return borrowed_; }

    // Makes room for `wanted` elements, by half again at least when it has to move. Throws std::bad_alloc.
    void reserve(size_t wanted) {
        if (wanted <= capacity_) return;
        if (capacity_ && wanted < capacity_ + capacity_ / 2) wanted = capacity_ + capacity_ / 2;
        move_to(wanted);
    }

private:
    static constexpr size_t kHugePage = size_t{2} << 20;
    void move_to(size_t wanted) {
        const size_t bytes = wanted * sizeof(T);
        const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
        T* fresh = static_cast<T*>(::operator new(bytes, std::align_val_t(alignment)));
#if defined(__linux__)
        if (alignment == kHugePage) ::madvise(fresh, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
        if (capacity_) std::memcpy(fresh, data_, capacity_ * sizeof(T));
        release();
        data_ = fresh;
        capacity_ = wanted;
        alignment_ = alignment;
    }
    void release() {
        if (data_ && !borrowed_) ::operator delete(data_, std::align_val_t(alignment_));
        data_ = nullptr;
        borrowed_ = false;
    }
    T* data_ = nullptr;
    size_t capacity_ = 0, alignment_ = 64;
    bool borrowed_ = false;
};

}  // namespace edgeshard
