// Ctrl-C in long native calls: the main thread lets Python handle its signals now and then.
#include "support/interrupt.hpp"

#include <pthread.h>

#include <atomic>

#include "bind/gil.hpp"
#include "bind/register.hpp"

namespace {

std::atomic<pthread_t> main_thread{};

// Python runs signal handlers in its main thread only; others need not wait for the GIL to find that out.
void handle_signals() {
    if (!pthread_equal(pthread_self(), main_thread.load(std::memory_order_relaxed))) return;
    edgeshard::GilAcquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace

void register_interrupt(nb::module_&) {
    const nb::object main = nb::module_::import_("threading").attr("main_thread")();
    main_thread = reinterpret_cast<pthread_t>(nb::cast<unsigned long>(main.attr("ident")));
    // A forked child has the main thread of its own that forked.
    pthread_atfork(nullptr, nullptr, [] { main_thread = pthread_self(); });
    edgeshard::set_interrupt_hook(handle_signals);
}
