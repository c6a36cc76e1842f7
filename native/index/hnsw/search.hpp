// Walks over a Graph: the k best points for a query.
#pragma once
#include <memory>
#include <vector>

#include "index/hnsw/beam.hpp"
#include "index/hnsw/graph.hpp"
#include "index/hnsw/scorer.hpp"
#include "index/hnsw/walk_lists.hpp"
#include "kernels/topk.hpp"

namespace edgeshard {

// What happens to points outside the mask.
enum class FilterMode : int {
    walls = 0,    // not scored, not expanded (Qdrant's plain filtered walk; payload links keep it connected)
    acorn = 1,    // not scored, but their neighbours are looked at (ACORN-1: Patel et al. 2024)
    through = 2,  // walked like any other, and left out of the answer; the beam ends with so many wanted ones
};

struct SearchOptions {
    size_t k = 10;
    size_t ef = 100;              // beam on level 0, at least k
    const uint8_t* mask = nullptr;  // (points) bytes; 0 = not wanted
    FilterMode mode = FilterMode::walls;
    // For FilterMode::through: the share of wanted points, and how much of `ef` must be wanted points before the beam ends.
    double selectivity = 1, held = 1;
    size_t rescore = 0;           // with codes: how many of the best at most are scored exactly; 0 = none
};

// Everything one thread needs to search; reused from query to query.
class Searcher {
public:
    // `lists` are those of the graph, or null.
    Searcher(const Graph& graph, const Space& space, bool on_codes, const WalkLists* lists = nullptr);

    // The best points for a query of `rows` stored rows, best first. Stays valid until the next call.
    const std::vector<Hit>& search(const char* query, size_t rows, const SearchOptions& options);
    // Whether a list of the graph was found damaged.
    bool damaged() const { return damaged_; }

private:
    bool wanted(uint32_t point) const { return !options_.mask || options_.mask[point]; }
    bool through() const { return options_.mask && options_.mode == FilterMode::through; }
    void descend(EntryPoint entry);
    template <class Upper>
    void descend(EntryPoint entry, const Upper& upper);
    template <class Upper>
    void score_upper(const Upper& upper, size_t level);
    void walk();
    template <class Enter>
    void walk_level0(Enter enter);
    void seed(uint32_t point);
    void gather(const uint32_t* points, size_t count);
    void gather_all(const uint32_t* points, size_t count);
    void gather_wanted(uint32_t point);
    void gather_acorn(uint32_t point);
    void score(const std::vector<uint32_t>& points);
    void prefetch_list(uint32_t point) const;
    template <class Enter>
    void score_gathered(Enter enter);
    void keep_near();
    void enter_through(float sim, uint32_t id);
    void collect(const char* query, size_t rows);
    void drop_hopeless();

    const Graph& graph_;
    const WalkLists* const lists_;
    SearchOptions options_;
    std::unique_ptr<Scorer> scorer_, exact_, refiner_;
    Visited visited_, second_hop_;
    Beam beam_, upper_;
    Graph::Scratch scratch_, inner_scratch_;
    std::vector<uint32_t> batch_, points_;
    std::vector<Candidate> starts_;
    std::vector<float> sims_;
    std::vector<Hit> hits_;
    size_t held_ = 1, wanted_ = 0;  // FilterMode::through: wanted points that end the beam, and those in it
    bool damaged_ = false;
};

}  // namespace edgeshard
