// Builds an HNSW graph (Malkov & Yashunin 2016) over points of a Space.
//
// Points are numbered densely inside the builder ("nodes": positions in `points`), so that deleted points cost nothing.
// Links carry their similarity, and a list remembers how many of its first links the last selection kept: re-selecting
// a full list then compares only pairs with at least one new link, with the same result.
//
// With one thread the graph depends on the points, their vectors and the seed only. With more, writers of a list hold
// its lock; readers see the old list, the new one or a mixture, all of which are valid nodes.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "index/hnsw/beam.hpp"
#include "index/hnsw/graph.hpp"
#include "index/hnsw/scorer.hpp"

namespace edgeshard {

struct BuildOptions {
    uint32_t m = 16;              // M: links of a node above level 0; 0 = no links at all
    uint32_t m0 = 32;             // links on level 0
    uint32_t ef_construct = 100;  // efConstruction: beam of the search for neighbours
    uint64_t seed = 42;
    unsigned threads = 0;         // 0 = as many as there are
    bool flat = false;            // level 0 only (graphs of payload blocks)
};

class Builder {
public:
    // `space` must outlive the builder; points are below space.points().
    Builder(const Space& space, std::vector<uint32_t> points, const BuildOptions& options);

    ~Builder();

    size_t size() const { return points_.size(); }
    // Inserts nodes begin .. end - 1; call with consecutive ranges.
    void insert(size_t begin, size_t end);

    EntryPoint entry() const;  // of the finished graph, as a point
    // Level-0 neighbours of a node, as nodes.
    size_t links0(size_t node, uint32_t* out) const;
    uint32_t point(size_t node) const { return points_[node]; }

    // The graph over offsets 0 .. total - 1. `extra[p]`, if given, are further level-0 links of point p.
    Graph finish(uint32_t total, const std::vector<std::vector<uint32_t>>* extra = nullptr) const;

private:
    friend class Healer;
    struct Link {
        uint32_t node;
        float sim;
    };
    struct Pick {  // a candidate of a selection
        uint32_t node;
        float sim;
        bool known;  // stayed together with the other known ones before
    };
    struct Worker;
    struct ListRef {  // storage of one list
        Link* links;
        uint32_t* count;
        uint32_t* kept;
        uint32_t capacity;
    };

    ListRef list(uint32_t node, size_t level);
    ListRef list(uint32_t node, size_t level) const { return const_cast<Builder*>(this)->list(node, level); }
    void insert_one(uint32_t node, Worker& worker);
    uint32_t descend(uint32_t entry, size_t from, size_t to, Worker& worker);
    void scan(uint32_t end, Worker& worker);
    void search_level(uint32_t entry, size_t level, Worker& worker);
    void select(std::vector<Pick>& sorted, uint32_t limit, Worker& worker);
    bool is_diverse(const Pick& candidate, const std::vector<uint32_t>& others, Worker& worker);
    static void replace(const ListRef& list, const std::vector<Pick>& picks);
    void link_back(uint32_t node, uint32_t from, float sim, size_t level, Worker& worker);
    void lock(uint32_t node);
    void unlock(uint32_t node);
    Worker& worker(unsigned index);
    void place_upper_lists();

    const Space& space_;
    std::vector<uint32_t> points_;
    BuildOptions options_;
    bool on_codes_, parallel_ = false;
    std::vector<uint8_t> levels_;                 // top level of a node
    std::vector<uint32_t> upper_first_;           // its first list above level 0
    std::vector<Link> links0_, links_upper_;
    std::vector<uint32_t> counts0_, kept0_, counts_upper_, kept_upper_;
    std::unique_ptr<std::atomic<uint8_t>[]> locks_;
    std::atomic<uint64_t> entry_;                 // level << 32 | node, or kNoEntry
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace edgeshard
