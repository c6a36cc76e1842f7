// Building graphs from Python.
#include <algorithm>
#include <memory>

#include "bind/gil.hpp"
#include "bind/hnsw.hpp"
#include "index/hnsw/blocks.hpp"
#include "index/hnsw/healer.hpp"
#include "support/interrupt.hpp"

namespace edgeshard {
namespace {

// Calls back between batches; false to stop.
bool report(const nb::object* progress, const nb::object& cancel, size_t done, size_t total) {
    GilAcquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    return while_python_lives([&] {
        if (progress && !progress->is_none()) (*progress)(done, total);
        return cancel.is_none() || !nb::cast<bool>(cancel());
    });
}

std::vector<std::vector<uint32_t>> to_blocks(nb::list blocks, size_t limit) {
    std::vector<std::vector<uint32_t>> out;
    for (nb::handle block : blocks) {
        const Array a = checked_offsets(block, limit);
        out.emplace_back(a.data<uint32_t>(), a.data<uint32_t>() + a.shape(0));
    }
    return out;
}

constexpr size_t kReportEvery = 2048;  // points between two reports of progress

struct Cancelled {};  // cancel() said so inside a step

// Calls step(begin, end) for pieces of [from, to); false if cancelled between two of them.
template <class Step>
bool in_pieces(const nb::object* progress, const nb::object& cancel, size_t from, size_t to, size_t total, Step step) {
    for (size_t done = from; done < to; done += kReportEvery) {
        if (!report(progress, cancel, done, total)) return false;
        step(done, std::min(to, done + kReportEvery));
    }
    return true;
}

// Starts a builder from an older graph; false if cancelled.
bool adopt(Builder& builder, const Graph& old, std::vector<uint32_t> old_points, const nb::object& progress,
           const nb::object& cancel) {
    const size_t kept = old_points.size();
    Healer healer(builder, old, std::move(old_points));
    if (!in_pieces(&progress, cancel, 0, kept, builder.size(), [&](size_t a, size_t b) { healer.mend(a, b); }))
        return false;
    const auto link = [&](size_t a, size_t b) { healer.link_back(a, b); };
    if (!in_pieces(nullptr, cancel, 0, healer.additions(), healer.additions(), link)) return false;
    healer.finish();
    return true;
}

// The points of an old graph that the first offsets of a new one are; none unless the old graph can be adopted.
std::vector<uint32_t> adopted_points(const PyGraph* old, nb::object old_points, size_t count,
                                     const BuildOptions& options) {
    if (!old) return {};
    const Array a = checked_offsets(old_points, old->graph.points);
    if (a.shape(0) > count) throw nb::value_error("old_points: expected at most as many entries as in offsets");
    std::vector<uint32_t> points(a.data<uint32_t>(), a.data<uint32_t>() + a.shape(0));
    std::vector<uint8_t> seen(old->graph.points, 0);
    for (uint32_t p : points)
        if (seen[p]++) throw nb::value_error("old_points: a point is named twice");
    if (!Healer::can_adopt(old->graph, options)) points.clear();
    return points;
}

// None if cancelled.
nb::object build_graph(const PySpace& s, nb::object offsets, size_t total, uint32_t m, uint32_t m0,
                       uint32_t ef_construct, uint64_t seed, unsigned threads, nb::list blocks, uint32_t payload_m,
                       uint32_t payload_m0, nb::object progress, nb::object cancel, const PyGraph* old,
                       nb::object old_points) {
    if (total > s.space.points()) throw nb::value_error("total: more than there are points");
    const Array o = checked_offsets(offsets, total);
    std::vector<uint32_t> points(o.data<uint32_t>(), o.data<uint32_t>() + o.shape(0));
    std::vector<uint8_t> alive(total, 0);
    for (uint32_t p : points)
        if (alive[p]++) throw nb::value_error("offsets: a point is named twice");
    const auto sets = to_blocks(blocks, total);
    const BuildOptions options{m, m0, std::max(ef_construct, 1u), seed, threads, false};
    std::vector<uint32_t> kept = adopted_points(old, old_points, points.size(), options);
    auto out = std::make_unique<PyGraph>();
    bool whole = true;
    {
        GilRelease release;
        const auto lock = s.lock();
        const size_t count = points.size(), first = kept.size();
        const InterruptScope asking([&] {
            if (!report(nullptr, cancel, 0, 0)) throw Cancelled{};
        });
        try {
            Builder builder(s.space, std::move(points), options);
            whole = (!first || adopt(builder, old->graph, std::move(kept), progress, cancel)) &&
                    in_pieces(&progress, cancel, first, count, count,
                              [&](size_t a, size_t b) { builder.insert(a, b); });
            if (whole) out->graph = builder.finish(static_cast<uint32_t>(total));
            if (whole && !sets.empty() && payload_m0) {
                BuildOptions inner = options;
                inner.m = payload_m;
                inner.m0 = payload_m0;
                const BlockLinks extra = build_blocks(s.space, sets, &out->graph, alive,
                                                      m ? largest_block(out->graph, count) : 0, inner);
                out->graph = builder.finish(static_cast<uint32_t>(total), &extra.links);
                out->graph.entries.insert(out->graph.entries.end(), extra.entries.begin(), extra.entries.end());
            }
        } catch (const Cancelled&) {
            whole = false;
        }
    }
    if (!whole) return nb::none();
    if (!progress.is_none()) progress(o.shape(0), o.shape(0));
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

}  // namespace

void register_hnsw_build(nb::module_& m) {
    m.def("hnsw_build", &build_graph, nb::arg("space"), nb::arg("offsets"), nb::arg("total"), nb::arg("m"),
          nb::arg("m0"), nb::arg("ef_construct"), nb::arg("seed"), nb::arg("threads"), nb::arg("blocks"),
          nb::arg("payload_m"), nb::arg("payload_m0"), nb::arg("progress").none(), nb::arg("cancel").none(),
          nb::arg("old").none() = nb::none(), nb::arg("old_points") = nb::none(),
          "The graph, or None if cancel() said so.");
}

}  // namespace edgeshard
