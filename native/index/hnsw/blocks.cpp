#include "index/hnsw/blocks.hpp"

#include <algorithm>
#include <mutex>

#include "support/thread_pool.hpp"

namespace edgeshard {

size_t largest_block(const Graph& graph, size_t points) {
    Graph::Scratch scratch;
    size_t links = 0;
    for (uint32_t p = 0; p < graph.points; ++p) links += graph.list(p, 0, scratch).count;
    const double mean = points ? static_cast<double>(links) / static_cast<double>(points) : 0;
    return static_cast<size_t>(4.0 * static_cast<double>(points) / std::max(mean, 1.0));
}

BlockLinks build_blocks(const Space& space, const std::vector<std::vector<uint32_t>>& blocks, const Graph* main,
                        const std::vector<uint8_t>& alive, size_t largest, BuildOptions options) {
    BlockLinks out;
    out.links.resize(alive.size());
    const unsigned threads = options.threads;
    options.threads = 1;  // many small graphs: one thread each
    options.flat = true;
    std::mutex merging;
    std::vector<std::pair<size_t, EntryPoint>> entries;
    parallel_for(blocks.size(), 1, threads, [&](size_t begin, size_t end) {
        std::vector<uint32_t> nodes(options.m0);
        Graph::Scratch scratch;
        for (size_t b = begin; b < end; ++b) {
            std::vector<uint32_t> points;
            for (uint32_t p : blocks[b])
                if (alive[p]) points.push_back(p);
            if (points.size() < 2 || (largest && points.size() > largest)) continue;
            Builder builder(space, std::move(points), options);
            builder.insert(0, builder.size());
            const std::lock_guard<std::mutex> guard(merging);
            entries.emplace_back(b, builder.entry());
            for (size_t i = 0; i < builder.size(); ++i) {
                const uint32_t p = builder.point(i);
                const size_t count = builder.links0(i, nodes.data());
                const List have = main ? main->list(p, 0, scratch) : List{};
                std::vector<uint32_t>& links = out.links[p];
                for (size_t j = 0; j < count; ++j) {
                    const uint32_t id = builder.point(nodes[j]);
                    if (std::find(have.ids, have.ids + have.count, id) == have.ids + have.count &&
                        std::find(links.begin(), links.end(), id) == links.end())
                        links.push_back(id);
                }
            }
        }
    });
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& entry : entries) out.entries.push_back(entry.second);
    return out;
}

}  // namespace edgeshard
