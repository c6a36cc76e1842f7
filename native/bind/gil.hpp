// Letting go of Python's lock and taking it again, in threads that the interpreter may not outlive.
//
// While the interpreter ends, Python before 3.14 ends a thread that asks for its lock, such as a daemon thread in the middle
// of a call, by pthread_exit(). Under glibc that unwinds the stack like an exception that nobody may stop, and aborts the
// process at the first destructor or catch (...) on its way. Here such a thread waits for the end of the process, as
// Python 3.14 has it do.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdlib>  // defines __GLIBCXX__
#ifdef __GLIBCXX__
#include <cxxabi.h>
#include <unistd.h>
#endif

namespace edgeshard {

// What `call` returns or throws, which runs Python or asks for its lock.
template <typename Call>
decltype(auto) while_python_lives(Call call) {
#ifdef __GLIBCXX__
    try {
        return call();
    } catch (const abi::__forced_unwind &) {
        for (;;) pause();
    }
#else
    return call();
#endif
}

// While it lives, other threads may run Python.
class GilRelease {
public:
    GilRelease() : state_(PyEval_SaveThread()) {}
    ~GilRelease() {
        while_python_lives([this] { PyEval_RestoreThread(state_); });
    }
    GilRelease(const GilRelease &) = delete;
    GilRelease &operator=(const GilRelease &) = delete;

private:
    PyThreadState *state_;
};

// While it lives, this thread may run Python.
class GilAcquire {
public:
    GilAcquire() : state_(while_python_lives([] { return PyGILState_Ensure(); })) {}
    ~GilAcquire() { PyGILState_Release(state_); }
    GilAcquire(const GilAcquire &) = delete;
    GilAcquire &operator=(const GilAcquire &) = delete;

private:
    PyGILState_STATE state_;
};

}  // namespace edgeshard
