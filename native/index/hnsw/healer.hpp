// Starts a builder from an older graph instead of from nothing: what the optimiser does when most of the points it indexes
// were in a graph already.
//
// Lists of points that stay are copied. One that led to points that are gone is mended: the gone neighbours' own neighbours
// that stay (and those of gone points reached through them) are candidates, and those that are closer to the point than to
// any of its links become links, both ways. The idea is that of Qdrant's GraphLayersHealer; unlike there, vectors of gone
// points are not needed, and candidates are compared with the links that stay, too.
#pragma once
#include <vector>

#include "index/hnsw/builder.hpp"

namespace edgeshard {

class Healer {
public:
    // Whether a graph can be taken over: it is sound and has lists of the same lengths.
    static bool can_adopt(const Graph& old, const BuildOptions& options);

    // Nodes 0 .. old_points.size() - 1 of a builder into which nothing was inserted are points old_points[i] of the old
    // graph, distinct; its other points are gone. can_adopt() must hold. Both must outlive the healer.
    Healer(Builder& builder, const Graph& old, std::vector<uint32_t> old_points);
    ~Healer();

    // Copies and mends the lists of nodes begin .. end - 1; call with ranges that cover all of them.
    void mend(size_t begin, size_t end);
    // Then: how many links were added, and links them back, in ranges that cover 0 .. additions() - 1.
    size_t additions() const { return additions_.size(); }
    void link_back(size_t begin, size_t end);
    // Last: links the nodes that have no neighbours left or never had any. The builder's insert() goes on after them.
    void finish();

private:
    struct Addition {
        uint32_t node, to;
        float sim;
        uint32_t level;
    };
    struct Scratch;
    void mend_list(uint32_t node, size_t level, Builder::Worker& worker, Scratch& scratch);
    void gather(uint32_t node, size_t level, Builder::Worker& worker, Scratch& scratch);

    Builder& builder_;
    const Graph& old_;
    std::vector<uint32_t> old_points_, node_of_;  // by node, by point of the old graph
    std::vector<Addition> additions_;
    std::vector<Scratch> scratches_;  // one per thread
};

}  // namespace edgeshard
