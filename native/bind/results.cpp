// Result objects in bulk: what a read returns is mostly many small Python objects, and making them one by one from
// Python costs more than finding them.
#include <nanobind/ndarray.h>
#include <structmember.h>

#include <optional>
#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/found.hpp"
#include "bind/scan_args.hpp"
#include "bind/register.hpp"

namespace {

using edgeshard::bind::FoundObject;
using edgeshard::bind::ResultPage;
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Where a slot of a class keeps its value, so that it can be set without a look-up.
size_t slot_offset(nb::handle cls, nb::handle name) {
  const nb::object slot = nb::getattr(cls, name);
  if (!Py_IS_TYPE(slot.ptr(), &PyMemberDescr_Type)) throw nb::type_error("names: one is not a slot of the class");
  const PyMemberDef *member = reinterpret_cast<PyMemberDescrObject *>(slot.ptr())->d_member;
  if (member->type != T_OBJECT_EX) throw nb::type_error("names: one is not a slot of the class");
  return static_cast<size_t>(member->offset);
}

// One item per object: those of a list, the numbers of an array, or the numbers at some places of an array.
class ItemColumn {
 public:
  explicit ItemColumn(PyObject *column) : list_(PyList_CheckExact(column) ? column : nullptr) {
    if (list_) return;
    const bool picked = PyTuple_CheckExact(column) && PyTuple_GET_SIZE(column) == 2;
    numbers_.emplace(picked ? PyTuple_GET_ITEM(column, 0) : column, "columns", "fLQlq", "float32, uint64 or int64", 1);
    if (picked) places_.emplace(edgeshard::checked_offsets(PyTuple_GET_ITEM(column, 1), numbers_->shape(0)));
  }

  // Whether a column gives every object an item of its own.
  static bool is_one(PyObject *column) {
    return PyList_CheckExact(column) || (PyTuple_CheckExact(column) && PyTuple_GET_SIZE(column) == 2) ||
           (PyObject_CheckBuffer(column) && !PyBytes_Check(column));
  }

  size_t size() const {
    if (list_) return static_cast<size_t>(PyList_GET_SIZE(list_));
    return places_ ? places_->shape(0) : numbers_->shape(0);
  }

  // Where an item is read from an array that is not read in order; null for others.
  const void *place(size_t i) const {
    if (!places_ || i >= places_->shape(0)) return nullptr;
    const size_t at = places_->data<uint32_t>()[i];
    if (numbers_->format() == 'f') return numbers_->data<float>() + at;
    return numbers_->data<uint64_t>() + at;
  }

  // A new reference.
  PyObject *item(size_t i) const {
    if (list_) return Py_NewRef(PyList_GET_ITEM(list_, static_cast<Py_ssize_t>(i)));
    if (places_) i = places_->data<uint32_t>()[i];
    switch (numbers_->format()) {
      case 'f': return PyFloat_FromDouble(static_cast<double>(numbers_->data<float>()[i]));
      case 'L':
      case 'Q': return PyLong_FromUnsignedLongLong(numbers_->data<uint64_t>()[i]);
      default: return PyLong_FromLongLong(numbers_->data<int64_t>()[i]);
    }
  }

 private:
  PyObject *list_;
  std::optional<edgeshard::Array> numbers_, places_;
};

// While one exists, no garbage collection starts.
class CollectorPause {
 public:
  CollectorPause() : enabled_(PyGC_Disable() != 0) {}
  ~CollectorPause() {
    if (enabled_) PyGC_Enable();
  }
  CollectorPause(const CollectorPause &) = delete;
  CollectorPause &operator=(const CollectorPause &) = delete;

 private:
  bool enabled_;
};

// Makes objects of a slotted class without its __init__.
//
// They are immutable and nothing that is put in leads back to them, so that they can be no part of a cycle: the garbage
// collector does not track them, which would walk through every result that is alive again and again. Nor does making
// them start it: it counts allocations, and a few long results would have it walk, with the GIL, through all that the
// application holds.
class ObjectMaker {
 public:
  ObjectMaker(nb::type_object cls, nb::tuple names) : cls_(std::move(cls)) {
    for (nb::handle name : names) slots_.push_back(slot_offset(cls_, name));
    on_page_ = PyType_IsSubtype(reinterpret_cast<PyTypeObject *>(cls_.ptr()), edgeshard::bind::found_type());
  }

  // Every column is a list or an array of numbers with one item per object, an array of numbers with the place (u32) of
  // each object's, `...` to leave the slot to the page, or one value for all.
  nb::list make(nb::tuple columns, size_t count, nb::object page) const {
    if (!page.is_none() && !(on_page_ && nb::isinstance<ResultPage>(page)))
      throw nb::type_error("page: expected a ResultPage, for a class of points");
    if (columns.size() != slots_.size()) throw nb::value_error("columns: as many as names are needed");
    std::vector<std::optional<ItemColumn>> items(slots_.size());
    for (size_t j = 0; j < slots_.size(); ++j) {
      PyObject *column = PyTuple_GET_ITEM(columns.ptr(), static_cast<Py_ssize_t>(j));
      if (!ItemColumn::is_one(column)) continue;
      items[j].emplace(column);
      if (items[j]->size() != count) throw nb::value_error("columns: every list and array needs one item per object");
      for (size_t i = 0; i < kAhead; ++i) __builtin_prefetch(items[j]->place(i));
    }
    if (!cls_.is_valid()) throw nb::value_error("the class is gone");
    auto *type = reinterpret_cast<PyTypeObject *>(cls_.ptr());
    nb::list result = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(count)));
    if (!result.is_valid()) throw nb::python_error();
    const CollectorPause pause;  // no other thread runs meanwhile: nothing here calls Python code
    for (size_t i = 0; i < count; ++i) {
      PyObject *made = type->tp_alloc(type, 0);
      if (!made) throw nb::python_error();
      PyObject_GC_UnTrack(made);
      PyList_SET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i), made);
      if (!page.is_none()) {
        auto *found = reinterpret_cast<FoundObject *>(made);
        found->page = page.inc_ref().ptr();
        found->place = i;
      }
      for (size_t j = 0; j < slots_.size(); ++j) {
        if (items[j]) __builtin_prefetch(items[j]->place(i + kAhead));
        if (PyTuple_GET_ITEM(columns.ptr(), static_cast<Py_ssize_t>(j)) == Py_Ellipsis) continue;
        PyObject *value = items[j] ? items[j]->item(i)
                                   : Py_NewRef(PyTuple_GET_ITEM(columns.ptr(), static_cast<Py_ssize_t>(j)));
        if (!value) throw nb::python_error();
        // The slots of a new object are empty: there is nothing to let go of.
        *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(made) + slots_[j]) = value;
      }
    }
    return result;
  }

  // The class is usually a global of a module that refers to the maker, too.
  static int traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    if (nb::inst_ready(self)) Py_VISIT(nb::inst_ptr<ObjectMaker>(self)->cls_.ptr());
    return 0;
  }

  static int clear(PyObject *self) {
    nb::inst_ptr<ObjectMaker>(self)->cls_.reset();
    return 0;
  }

 private:
  static constexpr size_t kAhead = 10;  // items asked for before they are read
  nb::object cls_;
  std::vector<size_t> slots_;
  bool on_page_ = false;
};

PyType_Slot maker_slots[] = {{Py_tp_traverse, reinterpret_cast<void *>(&ObjectMaker::traverse)},
                             {Py_tp_clear, reinterpret_cast<void *>(&ObjectMaker::clear)},
                             {0, nullptr}};

// Byte strings between consecutive bounds; `absent` where two are equal.
nb::list split_bytes_list(Bytes data, Bounds bounds, nb::bytes absent) {
  nb::list result;
  const int64_t size = static_cast<int64_t>(data.shape(0));
  for (size_t i = 0; i + 1 < bounds.shape(0); ++i) {
    const int64_t start = bounds(i), stop = bounds(i + 1);
    if (start < 0 || stop < start || stop > size) throw nb::value_error("split_values: bounds outside of the data");
    if (start == stop) {
      result.append(absent);
    } else {
      result.append(nb::bytes(reinterpret_cast<const char *>(data.data()) + start, static_cast<size_t>(stop - start)));
    }
  }
  return result;
}

}  // namespace

void register_results(nb::module_ &m) {
  nb::class_<ObjectMaker>(m, "ObjectMaker", nb::type_slots(maker_slots), "Makes objects of a slotted class without its __init__.")
      .def(nb::init<nb::type_object, nb::tuple>(), nb::arg("cls"), nb::arg("names"))
      .def("__call__", &ObjectMaker::make, nb::arg("columns"), nb::arg("count"), nb::arg("page").none() = nb::none(),
           "Objects by columns: each a list or an array with one item per object, (array, offsets (count,) u32), ... for "
           "what the page has, or one value for all.");
  m.def("split_values", &split_bytes_list, nb::arg("data"), nb::arg("bounds"), nb::arg("absent"),
        "Byte strings between consecutive bounds.");
}
