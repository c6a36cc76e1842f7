// Python face of native/storage/gridstore* and native/codec/lz4_block: buffers in, bytes and arrays out.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bind/gil.hpp"
#include "bind/owned.hpp"
#include "bind/register.hpp"
#include "codec/lz4_block.hpp"
#include "storage/gridstore.hpp"
#include "storage/gridstore_journal.hpp"
#include "storage/gridstore_pack.hpp"

using namespace edgeshard;
using bind::owned_array;
using bind::owned_as;

namespace {

using Input = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
constexpr size_t kKeepBuffer = size_t(1) << 20;

[[noreturn]] void raise_value(const std::string &text) { throw nb::value_error(text.c_str()); }

// A GridCore with the objects whose memory it uses.
struct PyGrid {
    GridCore core;
    nb::object directory;  // a pathlib.Path, for messages
    nb::object tracker;
    std::vector<nb::object> pages;

    PyGrid(nb::object path, const GridConfig &config) : core(config), directory(std::move(path)) {}

    [[noreturn]] void raise(const GridDamage &damage) const {
        std::string file = damage.in_tracker ? "tracker.dat" : "page_" + std::to_string(damage.page) + ".dat";
        nb::object type = nb::module_::import_("edgeshard.errors").attr("CorruptedError");
        nb::object path = directory.attr("joinpath")(file);
        std::string reason = std::string(damage.reason) + " (slot " + std::to_string(damage.slot) + ")";
        nb::object error = type(path, reason, damage.offset);
        PyErr_SetObject(type.ptr(), error.ptr());
        throw nb::python_error();
    }
    void check(const GridDamage &damage) const {
        if (damage) raise(damage);
    }
};

void init_grid(PyGrid *grid, nb::object directory, uint64_t page_bytes, uint32_t block_bytes, uint32_t region_blocks,
               bool lz4) {
    if (!block_bytes || !region_blocks || page_bytes < block_bytes) raise_value("a page has at least one block");
    new (grid) PyGrid(std::move(directory), GridConfig{page_bytes, block_bytes, region_blocks, lz4});
}

// Memory of a one-dimensional uint8 array; the mapping of a read-only file is never written to.
uint8_t *memory_of(const Input &array) { return const_cast<uint8_t *>(array.data()); }

void set_tracker(PyGrid &grid, Input tracker) {
    if (tracker.size() < sizeof(uint32_t)) raise_value("a tracker has at least 4 bytes");
    grid.core.set_tracker(memory_of(tracker), tracker.size());
    grid.tracker = nb::cast(tracker);
}

void add_page(PyGrid &grid, Input page) {
    if (page.size() != grid.core.config().page_bytes) raise_value("a page must have the configured size");
    grid.pages.push_back(nb::cast(page));
    grid.core.add_page(memory_of(page));
}

void load(PyGrid &grid, Input bitmask, Input gaps) {
    GridDamage damage;
    {
        GilRelease release;
        damage = grid.core.load({bitmask.data(), bitmask.size()}, {gaps.data(), gaps.size()});
    }
    grid.check(damage);
}

void close_grid(PyGrid &grid) {
    {
        GilRelease release;
        grid.core.close();
    }
    grid.tracker = nb::none();
    grid.pages.clear();
}

nb::object get(PyGrid &grid, uint64_t slot) {
    thread_local Scratch buffer;
    size_t size = 0;
    bool found = false;
    GridDamage damage;
    if (!grid.core.try_get(slot, buffer, size, found, damage)) {  // a writer is busy: let other threads run
        GilRelease release;
        damage = grid.core.get(slot, buffer, size, found);
    }
    grid.check(damage);
    if (!found) return nb::none();
    nb::object value = nb::bytes(buffer.data(), size);
    buffer.trim(kKeepBuffer);
    return value;
}

nb::tuple get_batch(PyGrid &grid, std::optional<Offsets> slots) {
    size_t n = slots ? slots->size() : grid.core.count();
    const uint32_t *wanted = slots ? slots->data() : nullptr;
    std::unique_ptr<int64_t[]> bounds(new int64_t[n + 1]);
    std::unique_ptr<uint8_t[]> data;
    GridDamage damage;
    {
        GilRelease release;
        for (bool stale = true; stale && !damage;) {
            damage = grid.core.sizes(wanted, n, bounds.get());
            if (damage) break;
            data.reset(new uint8_t[size_t(bounds[n])]);
            damage = grid.core.fill(wanted, n, bounds.get(), data.get(), stale);
        }
    }
    grid.check(damage);
    auto total = size_t(bounds[n]);
    return nb::make_tuple(owned_array(std::move(data), total), owned_array(std::move(bounds), n + 1));
}

nb::object present(PyGrid &grid, std::optional<Offsets> slots) {
    size_t n = slots ? slots->size() : grid.core.count();
    std::unique_ptr<bool[]> out(new bool[n]);
    {
        GilRelease release;
        grid.core.present(slots ? slots->data() : nullptr, n, out.get());
    }
    return owned_array(std::move(out), n);
}

void check_slots(PyGrid &grid, const uint32_t *slots, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (slots[i] >= grid.core.capacity()) raise_value("a slot is past the end of the tracker; grow it first");
}

// The bytes of every item of a list of bytes or None.
std::vector<ByteView> views_of(nb::list values) {
    std::vector<ByteView> views(nb::len(values));
    for (size_t i = 0; i < views.size(); ++i) {
        PyObject *item = PyList_GetItem(values.ptr(), Py_ssize_t(i));
        if (item == Py_None) {
            views[i] = {nullptr, 0};
        } else if (PyBytes_Check(item)) {
            views[i] = {reinterpret_cast<const uint8_t *>(PyBytes_AsString(item)), size_t(PyBytes_Size(item))};
        } else {
            throw nb::type_error("values must be bytes or None");
        }
    }
    return views;
}

std::vector<ByteView> views_of(const Input &data, const Bounds &bounds) {
    if (!bounds.size()) raise_value("bounds needs one element more than there are values");
    static const uint8_t kEmpty = 0;  // an empty value is not a missing one
    const uint8_t *start = data.size() ? data.data() : &kEmpty;
    std::vector<ByteView> views(bounds.size() - 1);
    for (size_t i = 0; i < views.size(); ++i) {
        int64_t from = bounds.data()[i], to = bounds.data()[i + 1];
        if (from < 0 || to < from || uint64_t(to) > data.size()) raise_value("bounds must ascend within data");
        views[i] = {start + from, size_t(to - from)};
    }
    return views;
}

// (first value not stored, pages to add before going on)
nb::tuple put_views(PyGrid &grid, const Offsets &slots, const std::vector<ByteView> &views, size_t from) {
    if (views.size() != slots.size()) raise_value("as many values as slots are needed");
    check_slots(grid, slots.data(), slots.size());
    PutResult result;
    {
        GilRelease release;
        result = grid.core.put(slots.data(), views.data(), from, views.size());
    }
    if (result.status == PutStatus::too_large) raise_value("a value of 4 GiB or more cannot be stored");
    return nb::make_tuple(result.next, result.pages);
}

nb::tuple put_list(PyGrid &grid, Offsets slots, nb::list values, size_t from) {
    return put_views(grid, slots, views_of(values), from);
}

nb::tuple put_data(PyGrid &grid, Offsets slots, Input data, Bounds bounds, size_t from) {
    return put_views(grid, slots, views_of(data, bounds), from);
}

uint64_t put_one(PyGrid &grid, uint32_t slot, nb::bytes value) {
    check_slots(grid, &slot, 1);
    ByteView view{reinterpret_cast<const uint8_t *>(value.c_str()), value.size()};
    PutResult result;
    {
        GilRelease release;
        result = grid.core.put(&slot, &view, 0, 1);
    }
    if (result.status == PutStatus::too_large) raise_value("a value of 4 GiB or more cannot be stored");
    return result.pages;
}

void remove_slots(PyGrid &grid, Offsets slots) {
    GilRelease release;
    grid.core.remove(slots.data(), slots.size());
}

void remove_one(PyGrid &grid, uint32_t slot) {
    GilRelease release;
    grid.core.remove(&slot, 1);
}

nb::list parts_list(std::vector<ImagePart> &parts) {
    nb::list out;
    for (ImagePart &part : parts) out.append(nb::make_tuple(part.offset, owned_array(std::move(part.bytes))));
    return out;
}

nb::list ranges_list(const std::vector<BlockRun> &ranges) {
    nb::list out;
    for (const BlockRun &run : ranges) out.append(nb::make_tuple(run.start, run.start + run.count));
    return out;
}

nb::tuple collect(PyGrid &grid) {
    GridImage image;
    {
        GilRelease release;
        image = grid.core.collect();
    }
    nb::list pages;
    for (const PageRange &range : image.pages) pages.append(nb::make_tuple(range.page, range.start, range.stop));
    return nb::make_tuple(pages, ranges_list(image.tracker), parts_list(image.space.bitmask), parts_list(image.space.gaps));
}

nb::object parse_journal(Input data) {
    std::vector<JournalEntry> entries = read_tracker_journal(data.data(), data.size());
    std::vector<uint32_t> words(entries.size() * 5);
    std::copy_n(reinterpret_cast<const uint32_t *>(entries.data()), words.size(), words.data());
    size_t rows = entries.size();
    return owned_as<uint32_t>(std::move(words), {rows, 5});
}

nb::tuple pack(const std::vector<ByteView> &views, uint32_t block_bytes, bool lz4) {
    if (!block_bytes) raise_value("a block has at least one byte");
    std::vector<uint8_t> out;
    std::vector<uint32_t> lengths(views.size());
    size_t done;
    {
        GilRelease release;
        done = pack_values({0, block_bytes, 1, lz4}, views.data(), views.size(), out, lengths.data());
    }
    if (done != views.size()) raise_value("a value of 4 GiB or more cannot be stored");
    return nb::make_tuple(owned_array(std::move(out)), owned_array(std::move(lengths)));
}

nb::bytes compress(nb::bytes data) {
    Scratch out;
    size_t size = lz4_compress(static_cast<const uint8_t *>(data.data()), data.size(), out.reserve(lz4_bound(data.size())));
    return nb::bytes(out.data(), size);
}

nb::bytes decompress(nb::bytes data, uint64_t size) {
    if (!lz4_plausible(data.size(), size)) raise_value("the block cannot hold so many bytes");
    Scratch out;
    out.reserve(size_t(size) + 1);
    if (!lz4_decompress(static_cast<const uint8_t *>(data.data()), data.size(), out.data(), size_t(size)))
        raise_value("not an LZ4 block of that size");
    return nb::bytes(out.data(), size_t(size));
}

}  // namespace

void register_gridstore(nb::module_ &m) {
    nb::class_<PyGrid>(m, "GridCore", "A gridstore over mapped pages; edgeshard.storage.gridstore owns the files.")
        .def("__init__", &init_grid, nb::arg("directory"), nb::arg("page_bytes"), nb::arg("block_bytes"),
             nb::arg("region_blocks"), nb::arg("lz4"))
        .def("set_tracker", &set_tracker)
        .def("add_page", &add_page)
        .def("load", &load)
        .def("touch", [](PyGrid &grid, Offsets slots) {
            check_slots(grid, slots.data(), slots.size());
            grid.core.touch(slots.data(), slots.size());
        })
        .def("close", &close_grid)
        .def_prop_ro("count", [](PyGrid &grid) { return grid.core.count(); })
        .def_prop_ro("live", [](PyGrid &grid) { return grid.core.live(); })
        .def_prop_ro("capacity", [](PyGrid &grid) { return grid.core.capacity(); })
        .def_prop_ro("dirty_bytes", [](PyGrid &grid) { return grid.core.dirty_bytes(); })
        .def_prop_ro("dirty", [](PyGrid &grid) { return grid.core.dirty(); })
        .def("get", &get)
        .def("get_batch", &get_batch, nb::arg("slots").none())
        .def("present", &present, nb::arg("slots").none())
        .def("put", &put_one)
        .def("put_batch", &put_list)
        .def("put_batch", &put_data)
        .def("remove", &remove_slots)
        .def("remove_one", &remove_one)
        .def("begin", [](PyGrid &grid) { grid.core.begin(); })
        .def("commit", [](PyGrid &grid) { grid.core.commit(); })
        .def("rollback", [](PyGrid &grid) { grid.core.rollback(); })
        .def("tracker_changes", [](PyGrid &grid) { return ranges_list(grid.core.tracker_changes()); })
        .def("collect", &collect)
        .def("flushed", [](PyGrid &grid) { grid.core.flushed(); });
    m.def("tracker_journal", &parse_journal, "Entries (n, 5) u32 of a tracker_journal.dat, up to its first damage.");
    m.def("pack_values", [](nb::list values, uint32_t block_bytes, bool lz4) {
        return pack(views_of(values), block_bytes, lz4);
    }, "(blocks u8, stored lengths u32) of a list of bytes or None, one after the other.");
    m.def("pack_values", [](Input data, Bounds bounds, uint32_t block_bytes, bool lz4) {
        return pack(views_of(data, bounds), block_bytes, lz4);
    });
    m.def("lz4_compress", &compress, "One LZ4 block (no frame).");
    m.def("lz4_decompress", &decompress, "The `size` bytes of one LZ4 block.", nb::arg("data"), nb::arg("size"));
}
