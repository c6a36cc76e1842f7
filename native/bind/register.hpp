// Declares the register_* function of every family; module.cpp calls them.
#pragma once
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void register_convert(nb::module_ &m);
void register_scan(nb::module_ &m);
void register_distance(nb::module_ &m);
void register_id_tracker(nb::module_ &m);
void register_gridstore(nb::module_ &m);
void register_wal(nb::module_ &m);
void register_columns(nb::module_ &m);
void register_payload_changes(nb::module_ &m);
void register_payload_index(nb::module_ &m);
void register_geo_places(nb::module_ &m);
void register_key_map(nb::module_ &m);
void register_text(nb::module_ &m);
void register_text_embed(nb::module_ &m);
void register_text_index(nb::module_ &m);
void register_hnsw(nb::module_ &m);
void register_quantization(nb::module_ &m);
void register_sparse(nb::module_ &m);
void register_numeric_codec(nb::module_ &m);
void register_found(nb::module_ &m);
void register_results(nb::module_ &m);
void register_selections(nb::module_ &m);
void register_models(nb::module_ &m);
void register_interrupt(nb::module_ &m);
void register_call_lock(nb::module_ &m);
