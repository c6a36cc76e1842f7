// Table of contents of the native module: one line per family, nothing else.
#include "bind/register.hpp"

NB_MODULE(_native, m) {
    m.doc() = "C++ kernels of edgeshard; see native/ for the sources.";
    // A program that ends with threads or shards still open is no fault of ours, and nothing is printed about it.
    nb::set_leak_warnings(false);
    register_convert(m);
    register_scan(m);
    register_distance(m);
    register_id_tracker(m);
    register_gridstore(m);
    register_wal(m);
    register_columns(m);
    register_payload_index(m);
    register_geo_places(m);
    register_payload_changes(m);
    register_key_map(m);
    register_text(m);
    register_text_embed(m);
    register_text_index(m);
    register_hnsw(m);
    register_quantization(m);
    register_sparse(m);
    register_numeric_codec(m);
    register_found(m);
    register_results(m);
    register_selections(m);
    register_models(m);
    register_interrupt(m);
    register_call_lock(m);
}
