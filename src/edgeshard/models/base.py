"""What all model classes share: immutability, equality by value, a repr that evaluates back, pickling.

A model class lists its constructor arguments in ``__match_args__`` (attribute names, in order) and stores its
fields in slots; a field whose public form is mutable lives in a slot with a leading underscore behind a
property that returns a fresh copy. Constructors check everything, so an object that exists is valid.

The checks below raise what ``qdrant_edge`` raises: `TypeError` for a wrong type, `OverflowError` for an
integer out of range, `ValueError` for a wrong value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import Enum
from operator import index
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from edgeshard._native import model_state, put_fields
from edgeshard.errors import ArgumentError, quoted
from edgeshard.models.paths import parse_path

__all__ = [
    "Model",
    "boolean",
    "f32",
    "f64",
    "instance",
    "instances",
    "json_path",
    "opt_boolean",
    "opt_f32",
    "opt_f64",
    "opt_instance",
    "opt_json_path",
    "opt_text",
    "opt_u64",
    "put_fields",
    "restore",
    "sequence",
    "show",
    "text",
    "texts",
    "u64",
    "variant",
]

T = TypeVar("T")
C = TypeVar("C", bound="type[Model]")

_F32 = struct.Struct("f")
_NAN = float("nan")
_U64_MAX = 2**64 - 1


class Model:
    """Base of the model classes."""

    __slots__ = ()

    if not TYPE_CHECKING:  # `match` needs the literal of each class, which a declaration here would hide
        __match_args__ = ()
    _slots: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, public: bool = True) -> None:
        if public:
            cls.__module__ = "edgeshard"
        own = cls.__dict__.get("__slots__", ())
        cls._slots = (*cls._slots, *([own] if isinstance(own, str) else own))

    def _key(self) -> tuple[Any, ...]:
        """The class and the hashable values that decide equality, those of inner models included.

        These are the values of the slots, or what a class says in a method ``_state``.
        """
        return model_state(self, Model, _frozen)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__qualname__} is immutable; build a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__qualname__} is immutable; {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(self._shown())})"

    def _shown(self) -> Iterable[str]:
        """``name=value`` of the constructor arguments, without optional ones left at None."""
        required = _required(type(self))
        for position, name in enumerate(self.__match_args__):  # type: ignore[attr-defined]
            value = getattr(self, name)
            if value is not None or position < required:
                yield f"{name}={show(value)}"

    def __copy__(self: T) -> T:
        return self

    def __deepcopy__(self: T, memo: object) -> T:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), {slot: getattr(self, slot) for slot in self._slots})


def _required(cls: type[Model]) -> int:
    """How many arguments the constructor demands."""
    init: Any = cls.__init__
    return init.__code__.co_argcount - 1 - len(init.__defaults__ or ()) if cls.__match_args__ else 0  # type: ignore[attr-defined]


def restore(cls: type[T], state: dict[str, Any]) -> T:
    """An object of `cls` with the fields of `state`, as pickled; nothing is checked again."""
    new = cls.__new__(cls)
    put_fields(new, **state)
    return new


def variant(cls: C) -> C:
    """Class decorator: make the class an attribute of its public base, ``Query.Nearest`` of ``Query``."""
    parent = next(base for base in cls.__mro__[1:] if not base.__name__.startswith("_"))
    cls.__qualname__ = f"{parent.__name__}.{cls.__name__}"
    setattr(parent, cls.__name__, cls)
    return cls


def abstract(cls: type[Model]) -> TypeError:
    """The error for calling the constructor of a class that has only variants."""
    return TypeError(
        f"cannot create {cls.__qualname__!r} instances; use one of its variants, as {cls.__qualname__}.X(...)"
    )


def _frozen(value: object) -> object:
    """A hashable value equal for equal fields."""
    if isinstance(value, np.ndarray):
        # + 0.0 makes -0.0 and 0.0 the same bytes, as they are equal.
        return (value.dtype.char, value.shape, (value + value.dtype.type(0)).tobytes())
    if isinstance(value, list):
        return tuple([_frozen(item) for item in value])
    if isinstance(value, dict):
        return frozenset([(key, _frozen(item)) for key, item in value.items()])
    return _NAN if value != value else value  # one NaN object, which tuples take for equal to itself


def show(value: object) -> str:
    """`repr` that evaluates back for everything a model holds."""
    if isinstance(value, float):
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{show(key)}: {show(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, set):
        return "{" + ", ".join(sorted(map(show, value))) + "}" if value else "set()"
    if type(value).__module__ == "uuid":
        return repr(str(value))
    return repr(value)


# --- checks of constructor arguments ------------------------------------------------------------------------


def u64(value: int, name: str) -> int:
    """`value` as an int in [0, 2^64).

    Raises:
        TypeError: not an integer.
        OverflowError: out of range.
    """
    if type(value) is not int:
        try:
            value = index(value)
        except TypeError:
            raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if 0 <= value <= _U64_MAX:
        return value
    raise OverflowError(f"{name}: expected an integer from 0 to 2**64 - 1, got {value}")


def opt_u64(value: int | None, name: str) -> int | None:
    """`u64`, or None."""
    return None if value is None else u64(value, name)


def f64(value: float, name: str) -> float:
    """`value` as a float.

    Raises:
        TypeError: not a real number.
    """
    if type(value) is not float:
        return _to_float(value, name)
    return value


def _to_float(value: Any, name: str) -> float:
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{name}: must be real number, not {type(value).__name__}")


def opt_f64(value: float | None, name: str) -> float | None:
    """`f64`, or None."""
    return None if value is None else f64(value, name)


def f32(value: float, name: str) -> float:
    """`value` rounded to the nearest float32, beyond its range infinity."""
    value = f64(value, name)
    try:
        rounded: float = _F32.unpack(_F32.pack(value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return rounded


def opt_f32(value: float | None, name: str) -> float | None:
    """`f32`, or None."""
    return None if value is None else f32(value, name)


def boolean(value: Any, name: str) -> bool:
    """`value`, which must be a bool (NumPy's counts)."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name}: expected a bool, got {type(value).__name__}")


def opt_boolean(value: bool | None, name: str) -> bool | None:
    """`boolean`, or None."""
    return None if value is None else boolean(value, name)


def text(value: str, name: str) -> str:
    """`value` as a plain str; it must be a str without lone surrogates.

    Raises:
        TypeError: `value` is no str.
        ValidationError: it holds half of a surrogate pair, which no file and no message can hold.
    """
    if type(value) is not str:
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a str, got {type(value).__name__}")
        # What is derived from str may be formatted as another text (members of enumerations: files would be called
        # after that), and encoders refuse what they do not know (numpy.str_).
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = f"half of a surrogate pair at position {error.start}, which is no text"
            raise ArgumentError(f"{name}: {quoted(value)} holds {half}") from None
    return value


def opt_text(value: str | None, name: str) -> str | None:
    """`text`, or None."""
    return None if value is None else text(value, name)


def instance(value: T, kind: type | tuple[type, ...], name: str) -> T:
    """`value`, which must be an instance of `kind`."""
    if isinstance(value, kind):
        return value
    kinds = kind if isinstance(kind, tuple) else (kind,)
    expected = " or ".join([k.__qualname__ for k in kinds])
    raise TypeError(f"{name}: expected {expected}, got {type(value).__qualname__}{_members(value, kinds)}")


def _members(value: object, kinds: tuple[type, ...]) -> str:
    """For a text in place of a member of an enumeration: the member of that name, or which there are."""
    members = [str(member) for kind in kinds if issubclass(kind, Enum) for member in kind]
    if not isinstance(value, str) or not members:
        return ""
    meant = [member for member in members if member.partition(".")[2].lower() == value.lower()]
    more = ", ..." if len(members) > MEMBERS_SHOWN else ""
    return f": write {meant[0]}" if meant else f": there are {', '.join(members[:MEMBERS_SHOWN])}{more}"


def opt_instance(value: T | None, kind: type | tuple[type, ...], name: str) -> T | None:
    """`instance`, or None."""
    return None if value is None else instance(value, kind, name)


MEMBERS_SHOWN = 8
MAX_ITEMS = 1 << 28
"""An array may claim many more without having the memory."""


def sequence(values: Iterable[T], name: str) -> list[T]:
    """The items of a list, tuple, set, array, generator... but not of a str, bytes or dict."""
    if type(values) is list:
        return values[:]
    if isinstance(values, (str, bytes, bytearray, dict)) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name}: expected a list, got {type(values).__name__}")
    if isinstance(values, np.ndarray):
        if values.size > MAX_ITEMS:
            raise OverflowError(f"{name}: an array of {values.size} items, more than the {MAX_ITEMS} a list may have")
        return values.tolist()  # type: ignore[no-any-return]
    try:
        return list(values)
    except MemoryError:  # also of what only claims to be that long
        raise OverflowError(f"{name}: more items than there is memory for") from None


def as_array(values: Any, name: str) -> np.ndarray[Any, Any]:
    """`values` as numpy sees them; whatever their class raises is a TypeError, but for what numpy says of them."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError, MemoryError):
        raise
    except Exception as error:
        raise TypeError(f"{name}: {type(values).__name__} cannot be made an array: {error}") from error


def instances(values: Iterable[T], kind: type | tuple[type, ...], name: str) -> tuple[T, ...]:
    """The items of `values`, each an instance of `kind`."""
    items = sequence(values, name)
    for place, item in enumerate(items):
        if not isinstance(item, kind):
            instance(item, kind, f"{name}[{place}]")
    return tuple(items)


def texts(values: Iterable[str], name: str) -> tuple[str, ...]:
    """The items of `values`, each a `text`."""
    return tuple([text(value, name) for value in sequence(values, name)])


def json_path(value: str, name: str) -> str:
    """The canonical spelling of a JSON path.

    Raises:
        ValidationError: `value` is no path.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a JSON path as a str, got {type(value).__name__}")
    return parse_path(value).text


def opt_json_path(value: str | None, name: str) -> str | None:
    """`json_path`, or None."""
    return None if value is None else json_path(value, name)
