#include "index/hnsw/census.hpp"

#include <algorithm>

#include "support/interrupt.hpp"

namespace edgeshard {
namespace {

constexpr uint32_t kAskEvery = 4096;  // points between two looks at whether to go on

// The sorted lists of level 0 one after another, and where each begins.
struct Lists {
    std::vector<uint64_t> bounds{0};
    std::vector<uint32_t> ids;

    const uint32_t* begin(uint32_t point) const { return ids.data() + bounds[point]; }
    const uint32_t* end(uint32_t point) const { return ids.data() + bounds[point + 1]; }
    size_t count(uint32_t point) const { return bounds[point + 1] - bounds[point]; }
    bool holds(uint32_t point, uint32_t id) const { return std::binary_search(begin(point), end(point), id); }
};

Lists sorted_lists(const Graph& graph) {
    Lists out;
    out.bounds.reserve(size_t{graph.points} + 1);
    Graph::Scratch scratch;
    for (uint32_t p = 0; p < graph.points; ++p) {
        if (p % kAskEvery == 0) check_interrupt();
        const List l = graph.list(p, 0, scratch);
        if (l.count) out.ids.insert(out.ids.end(), l.ids, l.ids + l.count);
        std::sort(out.ids.begin() + static_cast<std::ptrdiff_t>(out.bounds.back()), out.ids.end());
        out.bounds.push_back(out.ids.size());
    }
    return out;
}

void note(int64_t& first, uint32_t point) {
    if (first < 0) first = point;
}

void look_at(Census& census, const Lists& lists, uint32_t point, const uint32_t* begin, const uint32_t* end) {
    if (std::adjacent_find(begin, end) != end) note(census.repeated, point);
    for (const uint32_t* id = begin; id != end; ++id) {
        if (*id == point) note(census.itself, point);
        if (!lists.count(*id)) note(census.stranger, point);
    }
}

}  // namespace

Census take_census(const Graph& graph) {
    const Lists lists = sorted_lists(graph);
    Census out;
    out.links.resize(graph.points);
    out.mutual.resize(graph.points);
    Graph::Scratch scratch;
    for (uint32_t p = 0; p < graph.points; ++p) {
        if (p % kAskEvery == 0) check_interrupt();
        out.links[p] = static_cast<uint32_t>(lists.count(p));
        for (const uint32_t* id = lists.begin(p); id != lists.end(p); ++id) out.mutual[p] += lists.holds(*id, p);
        look_at(out, lists, p, lists.begin(p), lists.end(p));
        for (size_t level = graph.top_level(p); level; --level) {
            const List l = graph.list(p, level, scratch);
            std::vector<uint32_t> ids(l.ids, l.ids + l.count);
            std::sort(ids.begin(), ids.end());
            look_at(out, lists, p, ids.data(), ids.data() + ids.size());
        }
    }
    if (lists.ids.empty()) return out;
    for (const auto* entries : {&graph.entries, &graph.extra_entries})
        for (const EntryPoint& entry : *entries) {
            const size_t top = graph.top_level(entry.point);
            const bool whole = &entry == graph.entries.data();  // others are of parts of the graph, with fewer levels
            if (entry.level > top || (whole && entry.level < top) || !lists.count(entry.point))
                note(out.misplaced, entry.point);
        }
    return out;
}

}  // namespace edgeshard
