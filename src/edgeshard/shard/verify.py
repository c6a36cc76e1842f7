"""Looking for damage: checksums, then every file opened and every point read, then counts against one another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard.errors import CorruptedError, EdgeShardError, StorageError, ValidationError, quoted
from edgeshard.filter.evaluate import evaluate
from edgeshard.index import kept_codes
from edgeshard.models.filters import FieldCondition, Filter
from edgeshard.models.matches import MatchValue, RangeFloat
from edgeshard.models.paths import JsonPath, parse_path
from edgeshard.models.payload import decode_payload
from edgeshard.segment.batch import DenseColumn, Offsets
from edgeshard.segment.fields import Field
from edgeshard.segment.segment import Segment, SegmentContext
from edgeshard.shard import config as configs
from edgeshard.shard import seal
from edgeshard.shard.directories import ODD, absent, odd_entries, segment_names
from edgeshard.shard.replica import Replica
from edgeshard.shard.verify_graphs import damaged_graphs
from edgeshard.shard.verify_lists import damaged_lists
from edgeshard.storage import checksums
from edgeshard.storage.convert import COSINE
from edgeshard.storage.wal import Wal

BLOCK = 4096
"""Points read at a time."""
VALUES = 30
"""Values of an indexed field that are looked up in the index and compared with the payloads."""
EXACT = float(1 << 53)
"""Bounds beyond it stand for several integers, which an index and payloads need not round alike."""
MOST_MATCHED = (1 << 63) - 1
"""No condition matches an integer beyond it, which a payload may hold."""
NORM_TOLERANCE = {4: 1e-4, 2: 2e-2}
"""How far the squared length of a row stored for cosine may be from one, by bytes per element."""
SHORT = 1.2e-7
"""Rows with a smaller squared length are stored as they are."""


def check(path: Path, level: checksums.Level = "full") -> list[str]:
    """What is wrong with a shard on disk, one line each; nothing is changed.

    Args:
        path: the shard, which may be open elsewhere.
        level: ``"full"`` reads every byte and every point, ``"fast"`` sizes, small files and counts.

    Raises:
        StorageError: there is no shard, or the system refuses to read it.
    """
    require_level(level)
    try:
        return _check(path, level)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot check {path}: {error.strerror} ({error.filename})") from error


def _check(path: Path, level: checksums.Level) -> list[str]:
    if not path.is_dir():
        raise StorageError(f"cannot check: {absent(path)}")
    odd = [f"{path / name}: {ODD}" for name in odd_entries(path)]
    if odd:
        return odd
    if not (path / configs.FILE).exists() and not segment_names(path):
        raise StorageError(f"cannot check: {path} holds no shard")
    table = checksums.read(path, seal.seal_of(path))
    found = [f"{path / name}: {reason}" for name, reason in checksums.differences(path, table, level)]
    if level == "full":
        found += [f"{reason}; it is made anew when it is needed" for _, reason in kept_codes.damaged(path)]
    found += _log_damage(path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            replica = Replica(path, verify=None)
        except EdgeShardError as error:
            text = str(error)
            return found if text in found else [*found, text]
    try:
        told = [str(warning.message) for warning in heard] + findings(replica.store.segments, level)
        found += [line.replace(str(replica.root), str(path)) for line in told]
    finally:
        replica.store.release()
        replica.discard()
    return found


def require_level(level: str) -> None:
    """Refuse what is not a level.

    Raises:
        ValidationError: it is neither ``"fast"`` nor ``"full"``.
    """
    if level not in ("fast", "full"):
        raise ValidationError(f"level must be 'fast' or 'full', not {quoted(level)}")


def findings(segments: Sequence[Segment], level: checksums.Level) -> list[str]:
    """What is wrong with open segments, one line each."""
    found: list[str] = []
    seen: dict[Any, str] = {}
    for segment in segments:
        try:
            found += _counts(segment)
            if level == "full":
                found += _points(segment, seen)
                found += _indexes(segment)
                found += [reason for _, reason in damaged_graphs(segment)]
                found += [reason for _, reason in damaged_lists(segment)]
        except EdgeShardError as error:
            found.append(str(error))
    return found


def _log_damage(path: Path) -> list[str]:
    directory = path / "wal"
    if not directory.is_dir():
        return []
    try:
        wal = Wal.open(directory, read_only=True, on_damage="skip")
    except EdgeShardError as error:
        return [str(error)]
    damage = [str(damage.error()) for damage in wal.damage]
    wal.close()
    return damage


def _counts(segment: Segment) -> Iterator[str]:
    """Payloads of no point; how many vectors there are is compared when a segment is opened."""
    if segment.payload.count > segment.count:
        extra = np.arange(segment.count, segment.payload.count, dtype=np.uint32)
        orphans = int(np.count_nonzero(segment.payload.present(extra)))
        if orphans:
            yield f"{segment.path}: {orphans} payloads belong to no point"


def _points(segment: Segment, seen: dict[Any, str]) -> Iterator[str]:
    """Points that cannot be read, or live twice, and vectors that are not what a storage can hold."""
    live = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    odd: set[tuple[str, str]] = set()
    for start in range(0, len(live), BLOCK):
        offsets = live[start : start + BLOCK]
        for name, field in segment.fields.items():
            wrong = _wrong_vectors(field, offsets)
            if wrong and (name, wrong) not in odd:
                odd.add((name, wrong))
                yield f"{segment.path}: vector {name!r} {wrong}"
        ids = segment.ids.ids_of(offsets)
        for point_id, raw in zip(ids, segment.payloads(offsets), strict=True):
            try:
                decode_payload(raw)
            except CorruptedError as error:
                yield f"{segment.path}: the payload of point {point_id} is damaged: {error.reason}"
            if point_id in seen:
                yield f"{segment.path}: point {point_id} lives in {seen[point_id]} too"
            seen[point_id] = segment.name


def _wrong_vectors(field: Field, offsets: Offsets) -> str:
    """What is wrong with some vectors of these points; empty if nothing is."""
    column = field.stored(offsets)
    rows = getattr(column, "rows", getattr(column, "values", None))
    if rows is None or rows.dtype.kind != "f":
        return ""
    if isinstance(column, DenseColumn) and column.present is not None:
        rows = rows[column.present]
    if not bool(np.isfinite(rows).all()):
        return "holds a number that is not finite"
    spec = field.spec
    if spec.kind == "sparse" or spec.distance != COSINE:
        return ""
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float32, casting="unsafe")
    unit = np.abs(squares - 1) <= NORM_TOLERANCE[rows.dtype.itemsize]
    return "" if bool((unit | (squares < SHORT)).all()) else "holds a row whose length is not one, under cosine"


def _indexes(segment: Segment) -> Iterator[str]:
    """Indexed values whose points are not those that have them."""
    offsets = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    if not segment.indexes.schema or not len(offsets):
        return
    try:
        payloads = [decode_payload(raw) for raw in segment.payloads(offsets)]
    except CorruptedError:  # said point by point already; indexes cannot be compared with what cannot be read
        return
    live, context, plain = segment.live_mask(), SegmentContext(segment), _WithoutIndexes(segment)
    for path, stored in segment.indexes.schema.items():
        kind = str(stored if isinstance(stored, str) else stored["type"])
        for condition, what in _probes(path, kind, payloads):
            found, expected = (evaluate(Filter(must=[condition]), ctx) & live for ctx in (context, plain))
            if not np.array_equal(found, expected):
                yield f"{segment.path}: the index of {path!r} finds other points for {what} than have it"
                break


def _probes(path: str, kind: str, payloads: list[dict[str, Any]]) -> Iterator[tuple[FieldCondition, str]]:
    """Conditions on a field that an index answers as the payloads do: values it holds, and a range in their middle.

    Where a field holds values of several types, what an index takes for a value depends on its own type; so does, where
    it holds numbers, which of them are in a range: an integer index leaves fractions out, one of dates all numbers.

    Args:
        path: the field.
        kind: of its index, as the schema spells it.
        payloads: of the points looked at.
    """
    lookup = parse_path(path).lookup
    held = [value for payload in payloads for value in lookup(payload)]
    kinds = {type(value) for value in held}
    if kinds not in ({str}, {int}, {float}):
        return
    if float not in kinds:
        values = [value for value in set(held) if type(value) is str or abs(value) <= MOST_MATCHED]
        for value in sorted(values, key=str)[:VALUES]:
            yield FieldCondition(key=path, match=MatchValue(value)), repr(value)
    if str not in kinds and kind != "datetime" and (kind != "integer" or float not in kinds):
        numbers = sorted(map(float, held))
        low, high = numbers[len(numbers) // 4], numbers[len(numbers) * 3 // 4]
        if max(abs(low), abs(high)) <= EXACT:
            yield FieldCondition(key=path, range=RangeFloat(gte=low, lt=high)), "a range"


class _WithoutIndexes(SegmentContext):
    """A segment whose filters look at payloads only."""

    __slots__ = ()

    def index(self, path: str) -> None:
        """None, whatever there is."""

    def element_owners(self, array: JsonPath) -> None:
        """None, whatever there is."""
