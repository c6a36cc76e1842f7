#include "bind/register.hpp"

#include "support/cpu.hpp"
#include "support/thread_pool.hpp"

#include <nanobind/stl/string.h>

#include <string>

using namespace edgeshard;

void register_distance(nb::module_ &m) {
    m.def("cpu_isa", [] { return std::string(isa_name(best_isa())); },
          "The instruction set the kernels of this process use: 'scalar', 'neon', 'avx2' or 'avx512'.");
    m.def("default_threads", [] { return allowed_threads(); },
          "Threads this process may use: its processors, capped by the environment variable EDGESHARD_THREADS.");
    m.def("scan_threads", [](uint64_t estimated_ns, unsigned threads) { return ScanTurn(estimated_ns, threads).threads(); },
          nb::arg("estimated_ns"), nb::arg("threads") = 0,
          "How many threads a scan that takes so long on one would be given now (0: it may choose).");
}
