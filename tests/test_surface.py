"""The public surface against that of qdrant_edge: names, arguments, attributes, members, what calls do.

`DIFFERENCES` lists every deliberate difference and why; anything else that differs fails.
"""

from __future__ import annotations

import datetime
import enum
import importlib.util
import inspect
import re
import types
import uuid
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as oracle

import edgeshard

_spec = importlib.util.spec_from_file_location("surface_calls", Path(__file__).with_name("data_surface_calls.py"))
assert _spec is not None
assert _spec.loader is not None
_calls = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_calls)

CLASSES = sorted(name for name in dir(oracle) if isinstance(getattr(oracle, name), type))
IN_SCOPE = {
    "np": np,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "OrderedDict": OrderedDict,
    "deque": deque,
    "MappingProxyType": types.MappingProxyType,
}

LISTS = "collections are accepted wherever one is read, not only one type of them"
DAMAGE = "refused at once what panics, spoils the data or makes the shard unloadable there"
BOOLS = "booleans match booleans; there they become integers and nothing matches a boolean"
CONSTRUCTIBLE = "results can be built by tests and fakes of callers"
DEFAULTS = "the type stub of qdrant_edge promises the default, its constructor demands the argument"
KEYWORD = "the keyword of the type stub works, as does the real one"

DIFFERENCES = {
    'StopwordsSet([Language.English],{"a"})': LISTS,
    "HasIdCondition([1])": LISTS,
    "MatchAny((1,))": LISTS,
    "UpdateOperation.delete_points({1})": LISTS,
    "EdgeVectorParams(0,Distance.Dot)": DAMAGE,
    'UpdateOperation.create_dense_vector("v",0,Distance.Dot)': DAMAGE,
    "SparseVector([1,1],[1.0])": DAMAGE,
    "Point(1,[[]])": DAMAGE,
    "Point(1,[[1,2],[1]])": DAMAGE,
    'Formula(Expression.Decay(DecayKind.Exp,Expression.Constant(1),None,None,float("nan")))': DAMAGE,
    'Formula(Expression.Decay(DecayKind.Exp,Expression.Constant(1),None,float("nan"),1))': DAMAGE,
    "MatchValue(True)": BOOLS,
    "MatchExcept(except_=[1])": KEYWORD,
    "Expression.Decay(DecayKind.Lin,Expression.Constant(1))": DEFAULTS,
    "Expression.Div(Expression.Constant(1),Expression.Constant(1))": DEFAULTS,
}
"""Calls whose outcome differs, and why."""

KINDS = {
    'Point(1, [1], {"\\ud800":1})': (TypeError, "a lone surrogate is a TypeError as a key too, as in values"),
    "Query.Nearest([[]])": (
        ValueError,
        "a multi-vector without components is a wrong value, not a wrong type",
    ),
    "Query.Nearest([[1,2],[1]])": (
        ValueError,
        "rows of different lengths are a wrong value, not a wrong type",
    ),
    "ContextPair([[]],[1])": (ValueError, "as above"),
    "Mmr([[]],1,1)": (ValueError, "as above"),
    'QueryRequest(1,with_payload=["a b"],with_vector=[""])': (
        ValueError,
        "a bad path is a ValueError everywhere",
    ),
}
"""Calls that fail in both, but with another kind of error, and why."""

EXTRA_ATTRIBUTES = {
    "Bm25": {"config": "what the model was built from, for its repr"},
    "Formula": {"formula": "readable", "defaults": "readable"},
    "Query": {"using": "declared once, on the base of the variants"},
    "PayloadSelector": {"keys": "declared once, on the base of the variants"},
    "UpdateOperation": {"upsert_batch": "points as columns"},
}


def members(cls: type) -> dict[str, int]:
    """Enumeration members and their ordinals."""
    if issubclass(cls, enum.Enum):
        return {name: int(member.value) for name, member in cls.__members__.items()}
    return {name: int(getattr(cls, name)) for name, value in vars(cls).items() if isinstance(value, cls)}


def attributes(cls: type) -> set[str]:
    """Public names of a class, without nested classes and inherited ones of Enum."""
    return {
        name
        for base in cls.__mro__[:-1]
        if base is not enum.Enum
        for name, value in vars(base).items()
        if not name.startswith("_") and not isinstance(value, type)
    }


def variants(cls: type) -> list[str]:
    """Names of the subclasses nested in a class."""
    return sorted(name for name, value in vars(cls).items() if isinstance(value, type) and not name.startswith("_"))


ALL_CLASSES = CLASSES + [f"{name}.{inner}" for name in CLASSES for inner in variants(getattr(oracle, name))]


def lookup(module: Any, dotted: str) -> Any:
    """The class of that name."""
    for part in dotted.split("."):
        module = getattr(module, part)
    return module


@pytest.mark.parametrize("name", ALL_CLASSES)
def test_class_exists_with_the_same_attributes(name: str) -> None:
    theirs, ours = lookup(oracle, name), lookup(edgeshard, name)
    assert ours.__module__ == "edgeshard" or name == "EdgeShard"
    assert ours.__qualname__ == name
    assert members(theirs) == members(ours)
    assert variants(theirs) == variants(ours)
    if members(theirs):
        return
    extra = set(EXTRA_ATTRIBUTES.get(name, ()))
    if name != "EdgeShard":
        assert attributes(ours) - extra == attributes(theirs)
    else:
        assert attributes(theirs) <= attributes(ours)


def parameters(function: Any) -> list[tuple[str, Any]]:
    """Names and kinds of defaults, without self and keywords beyond the stub."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            has_default = parameter.default is not inspect.Parameter.empty
            found.append((parameter.name, plain(parameter.default) if has_default else "required"))
    return found


OTHER_ARGUMENTS = {
    "Expression.Div": DEFAULTS,
    "Expression.Decay": DEFAULTS,
    "MatchExcept": KEYWORD,
    "TextScoringParams": "the default is written out",
    "Fusion": "cannot be built in either",
    "Expression": "cannot be built in either",
    "Query": "cannot be built in either",
    "PayloadSelector": "cannot be built in either",
    "FacetHit": CONSTRUCTIBLE,
    "FacetResponse": CONSTRUCTIBLE,
    "Record": CONSTRUCTIBLE,
    "ScoredPoint": CONSTRUCTIBLE,
    "EdgeShard": "cannot be built in either",
}


CALLABLE = [name for name in ALL_CLASSES if not members(lookup(oracle, name)) and name not in OTHER_ARGUMENTS]


@pytest.mark.parametrize("name", CALLABLE)
def test_constructor_takes_the_same_arguments(name: str) -> None:
    assert parameters(lookup(edgeshard, name)) == parameters(lookup(oracle, name))


@pytest.mark.parametrize("name", sorted(attributes(oracle.UpdateOperation)))
def test_update_takes_the_same_arguments(name: str) -> None:
    ours, theirs = getattr(edgeshard.UpdateOperation, name), getattr(oracle.UpdateOperation, name)
    assert parameters(ours) == parameters(theirs)


def plain(value: Any, nested: bool = False) -> Any:
    """A value as both engines' can be compared: models become their class and attributes."""
    if isinstance(value, (list, tuple)):
        return [plain(item, True) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(plain(item, True)) for item in value)
    if isinstance(value, dict):
        return {key: plain(item, True) for key, item in value.items()}
    known = reference(value)
    if known is None:
        return value
    if members(known):
        return str(value)
    if nested and variants(known.__mro__[-2]):  # getters of qdrant_edge return the base, without attributes
        return known.__mro__[-2].__name__
    names = sorted(name for name, kind in vars(known).items() if type(kind).__name__ == "getset_descriptor")
    fields = {name: plain(getattr(value, name), True) for name in names}
    if isinstance(fields.get("vector"), dict):  # by name, in no order of note
        fields["vector"] = dict(sorted(fields["vector"].items()))
    return {"class": known.__name__, **fields}


def reference(value: Any) -> type | None:
    """The oracle's class for a model object of either engine; None for other values."""
    if isinstance(value, edgeshard.UpdateOperation):
        return oracle.UpdateOperation
    if type(value).__module__ == "edgeshard":
        return lookup(oracle, type(value).__qualname__)  # type: ignore[no-any-return]
    return type(value) if type(value) in ORACLE_TYPES else None


ORACLE_TYPES = {lookup(oracle, name) for name in ALL_CLASSES}


def outcome(module: Any, call: str) -> tuple[str, Any]:
    """What evaluating `call` gives."""
    try:
        return "value", plain(eval(call, {**IN_SCOPE, **vars(module)}))
    except Exception as error:
        return "error", error


@pytest.mark.parametrize("call", _calls.CALLS)
def test_call_does_the_same(call: str) -> None:
    theirs, ours = outcome(oracle, call), outcome(edgeshard, call)
    if call in DIFFERENCES:
        assert repr(ours) != repr(theirs), "no longer a difference"
    elif theirs[0] == "error":
        kind = KINDS[call][0] if call in KINDS else type(theirs[1])
        assert ours[0] == "error", f"expected {theirs[1]!r}, got {ours[1]!r}"
        assert isinstance(ours[1], kind), f"expected {kind}, got {ours[1]!r}"
    else:
        assert repr(ours) == repr(theirs)


def test_all_is_sorted_and_complete() -> None:
    names = edgeshard.__all__
    assert names == sorted(names, key=lambda name: (not name[0].isupper(), name))
    assert set(CLASSES) <= set(names)
    for name in names:
        value = getattr(edgeshard, name)
        assert not isinstance(value, type) or value is str or value.__module__.startswith("edgeshard")


def test_names_of_the_type_stub_exist() -> None:
    stub = Path(oracle.__file__).with_name("__init__.pyi").read_text()
    named = set(re.findall(r"^class (\w+)|^(\w+) = ", stub, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= set(edgeshard.__all__)


def test_modifier_none_and_other_odd_members_exist() -> None:
    assert str(getattr(edgeshard.Modifier, "None")) == "Modifier.None"
    assert int(edgeshard.VectorStorageDatatype.Turbo4) == 3


def test_memory_and_update_mode_equal_their_ordinal() -> None:
    assert edgeshard.Memory.Cold == 0
    assert edgeshard.UpdateMode.UpdateOnly == 2
    assert edgeshard.Distance.Cosine != 0


def test_ids_come_back_as_int_or_uuid() -> None:
    text = "550e8400-e29b-41d4-a716-446655440000"
    assert edgeshard.Point(text, [1.0]).id == uuid.UUID(text)
    assert edgeshard.Point(np.uint64(7), [1.0]).id == 7


def test_payload_refuses_what_json_has_not() -> None:
    for value in ({1}, datetime.datetime(2024, 1, 1), uuid.uuid4(), 1j, object()):
        with pytest.raises(TypeError):
            edgeshard.Point(1, [1.0], {"a": value})
