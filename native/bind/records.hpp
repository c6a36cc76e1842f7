// Compressed vectors as arguments: a codec, and chunks of its records.
#pragma once
#include <memory>
#include <vector>

#include "bind/scan_args.hpp"
#include "index/quantized/codec.hpp"

namespace edgeshard {

// The class of that name in Python.
struct RecordCodec {
    std::shared_ptr<const quantized::Codec> codec;
};

// Chunks of records as rows of bytes.
struct RecordsArgument {
    std::vector<Array> arrays;
    Rows rows;

    RecordsArgument(nb::list chunks, const quantized::Codec& codec) : rows(ElementType::u8, codec.stride()) {
        arrays.reserve(chunks.size());
        for (nb::handle chunk : chunks) {
            arrays.emplace_back(chunk, "chunks", "B", "uint8", 2);
            if (arrays.back().shape(1) != codec.stride())
                throw nb::value_error(("chunks: expected records of " + std::to_string(codec.stride()) + " bytes, got " +
                                       std::to_string(arrays.back().shape(1)))
                                          .c_str());
            rows.add({arrays.back().data<char>(), arrays.back().shape(0)});
        }
        if (rows.count() > UINT32_MAX) throw nb::value_error("chunks: more than 2^32 - 1 rows");
    }
};

}  // namespace edgeshard
