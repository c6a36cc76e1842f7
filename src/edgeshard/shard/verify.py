"""Looking for damage: checksums, then every file opened and every point read, then counts against one another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard.errors import EdgeShardError, StorageError, ValidationError
from edgeshard.filter.check import matches
from edgeshard.filter.evaluate import evaluate
from edgeshard.index import kept_codes
from edgeshard.models.filters import FieldCondition, Filter
from edgeshard.models.matches import MatchValue
from edgeshard.models.payload import decode_payload
from edgeshard.segment.segment import Segment, SegmentContext
from edgeshard.shard import seal
from edgeshard.shard.replica import Replica
from edgeshard.storage import checksums
from edgeshard.storage.wal import Wal

BLOCK = 4096
"""Points read at a time."""
VALUES = 30
"""Values of an indexed field that are looked up in the index and compared with the payloads."""


def check(path: Path, level: checksums.Level = "full") -> list[str]:
    """What is wrong with a shard on disk, one line each; nothing is changed.

    Args:
        path: the shard, which may be open elsewhere.
        level: ``"full"`` reads every byte and every point, ``"fast"`` sizes, small files and counts.

    Raises:
        StorageError: there is no shard.
    """
    require_level(level)
    if not path.is_dir():
        raise StorageError(f"cannot check: directory {path} does not exist")
    table = checksums.read(path, seal.seal_of(path))
    found = [f"{path / name}: {reason}" for name, reason in checksums.differences(path, table, level)
             if not checksums.is_ignored(name)]  # fmt: skip
    if level == "full":
        found += [f"{reason}; it is made anew when it is needed" for _, reason in kept_codes.damaged(path)]
    found += _log_damage(path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            replica = Replica(path)
        except EdgeShardError as error:
            text = str(error)
            return found if text in found else [*found, text]
    try:
        found += [str(warning.message).replace(str(replica.root), str(path)) for warning in heard]
        found += findings(replica.store.segments, level)
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
        raise ValidationError(f"level must be 'fast' or 'full', not {level!r}")


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
    """Points that cannot be read, or live twice."""
    live = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    for start in range(0, len(live), BLOCK):
        offsets = live[start : start + BLOCK]
        for name, field in segment.fields.items():
            column = field.stored(offsets)
            rows = getattr(column, "rows", getattr(column, "values", None))
            if rows is not None and rows.dtype.kind == "f" and not bool(np.isfinite(rows).all()):
                yield f"{segment.path}: vector {name!r} holds a number that is not finite"
        ids = segment.ids.ids_of(offsets)
        for point_id, raw in zip(ids, segment.payloads(offsets), strict=True):
            try:
                decode_payload(raw)
            except ValueError as error:
                yield f"{segment.path}: the payload of point {point_id} cannot be read: {error}"
            if point_id in seen:
                yield f"{segment.path}: point {point_id} lives in {seen[point_id]} too"
            seen[point_id] = segment.name


def _indexes(segment: Segment) -> Iterator[str]:
    """Indexed values whose points are not those that have them."""
    offsets = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    if not segment.indexes.schema or not len(offsets):
        return
    payloads = [decode_payload(raw) for raw in segment.payloads(offsets)]
    live = segment.live_mask()
    for path in segment.indexes.schema:
        held = (payload.get(path) for payload in payloads)
        values = {value for value in held if isinstance(value, (str, int))}
        for value in sorted(values, key=str)[:VALUES]:
            condition = Filter(must=[FieldCondition(key=path, match=MatchValue(value))])
            found = set(np.flatnonzero(evaluate(condition, SegmentContext(segment)) & live).tolist())
            expected = {
                offset for offset, payload in zip(offsets.tolist(), payloads, strict=True)
                if matches(condition, PayloadView(payload))
            }  # fmt: skip
            if found != expected:
                yield f"{segment.path}: the index of {path!r} finds other points for {value!r} than have it"
                break


class PayloadView:
    """A point of which only the payload is looked at."""

    __slots__ = ("id", "payload")

    def __init__(self, payload: dict[str, Any]) -> None:
        self.id = 0
        self.payload = payload

    def has_vector(self, name: str) -> bool:
        """Never asked for."""
        return False
