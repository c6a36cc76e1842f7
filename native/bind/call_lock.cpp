// The lock around a shard's calls as Python context managers. Entering and leaving are single native calls, between whose
// parts no signal handler runs: a KeyboardInterrupt finds the lock held by the block that will let go of it, or not held.
#include "support/call_lock.hpp"

#include "bind/gil.hpp"
#include "bind/register.hpp"
#include "support/interrupt.hpp"

using namespace edgeshard;

namespace {

struct PyCallLock {
    explicit PyCallLock(nb::object error) : too_deep(std::move(error)) {}
    CallLock lock;
    nb::object too_deep;  // makes the exception for a RecursionError inside
};

[[noreturn]] void refuse() {
    const nb::object type = nb::module_::import_("edgeshard.errors").attr("ReentrantCallError");
    PyErr_SetString(type.ptr(),
                    "this thread is in the middle of a call of the same shard: a signal handler, callback or destructor "
                    "cannot call it; let it set a flag, and make the call when the first has returned");
    throw nb::python_error();
}

// One block. It keeps the lock alive; nothing keeps it.
struct Guard {
    nb::object owner;
    Hold hold;
    nb::object opened, waiting;

    CallLock& lock() const { return nb::cast<PyCallLock&>(owner).lock; }

    void enter() const {
        Entry entry = lock().try_enter(hold);
        if (entry == Entry::busy) {
            CallLock& target = lock();
            GilRelease release;
            entry = target.enter(hold, [this] {
                check_interrupt();
                if (waiting.is_none()) return;
                GilAcquire acquire;
                while_python_lives([this] { waiting(); });
            });
        }
        if (entry == Entry::inside) refuse();
    }
};

nb::object enter(const Guard& guard) {
    guard.enter();
    if (guard.opened.is_none()) return nb::none();
    try {
        return while_python_lives([&] { return guard.opened(); });
    } catch (...) {
        guard.lock().leave();
        throw;
    }
}

void leave(const Guard& guard, nb::handle kind, nb::handle error, nb::handle) {
    if (!guard.lock().leave()) throw std::runtime_error("the lock is not held by this thread");
    if (kind.is_none() || !PyErr_GivenExceptionMatches(kind.ptr(), PyExc_RecursionError)) return;
    const nb::object made = nb::cast<PyCallLock&>(guard.owner).too_deep();
    PyException_SetCause(made.ptr(), nb::object(nb::borrow(error)).release().ptr());
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    throw nb::python_error();
}

template <Hold hold>
Guard guard(nb::handle self, nb::object opened, nb::object waiting) {
    return {nb::borrow(self), hold, std::move(opened), std::move(waiting)};
}

}  // namespace

void register_call_lock(nb::module_& m) {
    nb::class_<Guard>(m, "CallGuard", "A block inside a lock; for one use after another.")
        .def("__enter__", &enter)
        .def("__exit__", &leave, nb::arg("kind").none(), nb::arg("error").none(), nb::arg("trace").none());
    nb::class_<PyCallLock>(m, "CallLock", "Many readers or one writer, writers first; knows the threads inside.")
        .def(nb::init<nb::object>(), nb::arg("too_deep"))
        .def("reading", &guard<Hold::reading>, nb::arg("opened").none() = nb::none(),
             nb::arg("waiting").none() = nb::none())
        .def("writing", &guard<Hold::writing>, nb::arg("opened").none() = nb::none(),
             nb::arg("waiting").none() = nb::none())
        .def("check_outside", [](PyCallLock& self) {
            if (self.lock.inside()) refuse();
        })
        .def("downgrade", [](PyCallLock& self) {
            if (!self.lock.downgrade()) throw std::runtime_error("the lock is not held for writing by this thread");
        });
}
