"""One part of a shard's data: ids, vectors, payloads and payload indexes under one directory.

A segment knows offsets and versions, not operations: the shard decides which points an operation touches and in which
segment they live. An appendable segment takes new points and changes in place; from an immutable one points can only
be deleted, and the shard moves a point to an appendable segment before changing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.filter.columns import PayloadColumns
from edgeshard.filter.evaluate import evaluate, evaluate_few
from edgeshard.filter.selections import Selection, Selections
from edgeshard.models.filters import Filter
from edgeshard.models.paths import JsonPath
from edgeshard.models.payload import decode_payload
from edgeshard.segment.batch import Batch, Column, Ids, Mask, Offsets
from edgeshard.segment.changes import LastChanges
from edgeshard.segment.config import SegmentConfig
from edgeshard.segment.fields import Field
from edgeshard.segment.graph_field import GraphField
from edgeshard.segment.payload_indexes import PayloadIndexes
from edgeshard.segment.scan_watch import ScanWatch
from edgeshard.segment.whole_walk import WholeWalk
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore, Packed
from edgeshard.storage.id_tracker import IdTracker, MutableIdTracker
from edgeshard.storage.residency import LockedFiles


class Segment:
    """An open segment. Build one with :func:`edgeshard.segment.files.open_segment` or ``create_segment``.

    Args:
        path: its directory.
        config: what ``segment.json`` says.
        ids: which points live at which offsets, with their versions.
        payload: payloads by offset.
        fields: vectors by name.
        indexes: payload indexes by field path.

    Attributes:
        estimates: numbers of points that were counted or estimated, remembered until the segment changes.
        walks: see :meth:`whole_walk`.
    """

    __slots__ = (
        "_alive", "_everyone", "_selections", "appendable", "changes", "columns", "config", "estimates", "fields",
        "ids", "indexes", "locked", "path", "payload", "version", "walks", "watch",
    )  # fmt: skip

    def __init__(
        self,
        path: Path,
        config: SegmentConfig,
        ids: IdTracker,
        payload: Gridstore,
        fields: dict[str, Field],
        indexes: PayloadIndexes,
    ) -> None:
        self.path = path
        self.config = config
        self.appendable = config.appendable
        self.ids = ids
        self.payload = payload
        self.fields = fields
        self.indexes = indexes
        self.version = -1 if config.version is None else config.version
        self.changes = LastChanges()
        self.watch: ScanWatch | None = None
        self.locked: list[LockedFiles] = []
        self.columns = PayloadColumns(self)
        self._alive: dict[str, tuple[Mask, int]] = {}
        self.walks: dict[str, WholeWalk] = {}
        self._everyone: Selection | None = None
        self.estimates: dict[tuple[Any, ...], int] = {}
        self._selections = Selections()
        indexes.attach(self)

    @property
    def name(self) -> str:
        """The segment's directory name."""
        return self.path.name

    @property
    def count(self) -> int:
        """Number of offsets, deleted ones included (also what columns and masks are as long as)."""
        return self.ids.total

    @property
    def live(self) -> int:
        """Number of points."""
        return self.ids.live

    def alive(self, name: str) -> tuple[Mask, int]:
        """``(count,)`` which offsets hold a point with a vector of that name, and how many; do not change it."""
        known = self._alive.get(name)
        if known is None:
            mask = self.live_mask()
            mask &= self.fields[name].presence(self.count)
            known = self._alive[name] = (mask, int(np.count_nonzero(mask)))
        return known

    def whole_walk(self, name: str) -> WholeWalk | None:
        """How to search for the nearest of all points; None where there are others than those with such a vector, or
        a graph alone does not find them."""
        walk = self.walks.get(name)
        if walk is None:
            field = self.fields.get(name)
            if not isinstance(field, GraphField):
                return None
            mask, alive = self.alive(name)
            walk = field.whole_walk() if alive == len(mask) else None
            if walk is not None:
                self.walks[name] = walk
        return walk

    def select(self, filter: Filter | None) -> Selection:
        """The points that match a filter, all of them for None.

        Raises:
            CorruptedError: a payload is not valid JSON.
        """
        if filter is not None:
            return self._selections.of(filter, self._matching)
        everyone = self._everyone
        if everyone is None:
            everyone = self._everyone = Selection(self.live_mask())
        return everyone

    def _matching(self, filter: Filter) -> Selection:
        if not self.count:
            return Selection.listed(np.zeros(0, np.uint32), 0)
        few = evaluate_few(filter, SegmentContext(self))
        if few is not None:
            if self.ids.live < self.count:
                few = few[~self.ids.deleted_mask()[few]]
            return Selection.listed(few, self.count)
        mask = evaluate(filter, SegmentContext(self))
        if self.ids.live < len(mask):
            np.greater(mask, self.ids.deleted_mask(), out=mask)
        return Selection(mask)

    def touched(self) -> None:
        """Note that points came, went or changed, or what fields or payload indexes there are."""
        self._alive = {}
        self.walks = {}
        self._everyone = None
        self.estimates = {}
        self._selections.clear()

    def live_mask(self) -> Mask:
        """``(count,)`` which offsets hold a point."""
        return np.logical_not(self.ids.deleted_mask())

    # --- reading ---------------------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Where payloads are read from, for messages."""
        return str(self.payload.directory)

    def read_batch(self, offsets: Offsets) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Raw payloads as one buffer and bounds ``(n + 1,)``."""
        return self.payload.get_batch(offsets)

    def payloads(self, offsets: Offsets, missing: bytes = b"{}") -> list[bytes]:
        """Raw payloads, `missing` where there is none."""
        if len(offsets) == 1:
            return [self.payload.get(int(offsets[0])) or missing]
        data, bounds = self.payload.get_batch(offsets)
        return _native.split_values(data, bounds, missing)

    def payload_of(self, offset: int) -> dict[str, Any]:
        """The decoded payload of one point."""
        raw = self.payload.get(offset)
        return decode_payload(raw, self.payload.directory) if raw else {}

    def extract(self, offsets: Offsets) -> Batch:
        """Whole points in stored form, for moving them to another segment."""
        columns: dict[str, Column] = {}
        for name, field in self.fields.items():
            column = field.stored(offsets)
            if column.present is None or bool(column.present.any()):
                columns[name] = column
        payloads: list[bytes | None] = list(self.payloads(offsets))
        return Batch(self.ids.ids_of(offsets), columns, payloads)

    # --- changing --------------------------------------------------------------------------------------

    def insert(self, op_number: int, batch: Batch) -> None:
        """Add points that are not in this (appendable) segment."""
        assert isinstance(self.ids, MutableIdTracker)
        first = self.ids.insert(batch.ids)
        self._write_points(op_number, np.arange(first, first + len(batch), dtype=np.uint32), batch)

    def replace(self, op_number: int, offsets: Offsets, batch: Batch) -> None:
        """Overwrite whole points in place: vectors not in the batch are forgotten."""
        self._write_points(op_number, offsets, batch)

    def put_vectors(self, op_number: int, offsets: Offsets, columns: dict[str, Column]) -> None:
        """Replace the named vectors of points; absent entries of a column keep what is there."""
        for name, column in columns.items():
            if column.present is None:
                self.fields[name].put(offsets, column)
            elif bool(column.present.any()):
                chosen = np.flatnonzero(column.present)
                self.fields[name].put(offsets[chosen], column.take(chosen))
        self.changes.touch_vectors(columns, op_number)
        self._stamp(op_number, offsets)

    def forget_vectors(self, op_number: int, offsets: Offsets, names: Sequence[str]) -> None:
        """Remove named vectors from points."""
        for name in names:
            self.fields[name].forget(offsets)
        self.changes.touch_vectors(names, op_number)
        self._stamp(op_number, offsets)

    def put_payloads(self, op_number: int, offsets: Offsets, payloads: list[bytes | None] | Packed | None) -> None:
        """Replace whole payloads; None in a list removes one, None for a list leaves all as they are."""
        if payloads is not None:
            self._write_payloads(offsets, payloads)
        self.changes.payload = op_number
        self._stamp(op_number, offsets)

    def delete(self, op_number: int, offsets: Offsets) -> None:
        """Delete points. In an appendable segment their payload goes with them."""
        if self.appendable:
            self.payload.remove_batch(offsets)
            self.indexes.remove(offsets)
            self.columns.invalidate(offsets)
            self.changes.payload = op_number
        self.ids.delete(offsets, op_number)
        self.touched()
        self.version = max(self.version, op_number)

    def _write_points(self, op_number: int, offsets: Offsets, batch: Batch) -> None:
        for name, field in self.fields.items():
            column = batch.columns.get(name)
            if column is None:
                field.forget(offsets)
            else:
                field.put(offsets, column)
        if batch.payloads is not None:
            self._write_payloads(offsets, batch.payloads)
        self.changes.points = op_number
        self._stamp(op_number, offsets)

    def _write_payloads(self, offsets: Offsets, payloads: list[bytes | None] | Packed) -> None:
        if len(offsets) == 1 and isinstance(payloads, list):
            self.put_payload(int(offsets[0]), payloads[0])
            return
        self.payload.put_batch(offsets, payloads)
        self.indexes.update(offsets)
        self.columns.invalidate(offsets)

    def put_payload(self, offset: int, payload: bytes | None) -> None:
        """Replace the payload of one point, or remove it, without stamping its version."""
        if payload is None:
            self.payload.remove(offset)
        else:
            self.payload.put(offset, payload)
        if self.indexes.schema or self.columns.in_use:
            offsets = np.array([offset], np.uint32)
            self.indexes.update(offsets)
            self.columns.invalidate(offsets)

    def _stamp(self, op_number: int, offsets: Offsets) -> None:
        self.ids.set_versions(offsets, op_number)
        self.touched()
        self.version = max(self.version, op_number)

    # --- flushing --------------------------------------------------------------------------------------

    @property
    def indexed_vectors(self) -> int:
        """Vectors that a graph or an inverted index finds, deleted ones included."""
        return sum(field.indexed_count for field in self.fields.values())

    def indexed_points(self, path: str) -> int:
        """See :meth:`PayloadIndexes.points`."""
        known = self.estimates.get(("indexed", path))
        if known is None:
            known = self.estimates["indexed", path] = self.indexes.points(path)
        return known

    def create_index(self, op_number: int, path: str, schema: Any) -> None:
        """Add or replace the payload index of a field path."""
        self.indexes.create_index(path, schema)
        self.touched()
        self.changes.schema = op_number
        self.version = max(self.version, op_number)

    def delete_index(self, op_number: int, path: str) -> None:
        """Remove the payload index of a field path, if there is one."""
        self.indexes.delete_index(path)
        self.touched()
        self.changes.schema = op_number
        self.version = max(self.version, op_number)

    @property
    def dirty(self) -> bool:
        """Whether a flush would write anything."""
        return self.version > (-1 if self.config.version is None else self.config.version)

    def collect(self, plan: FlushPlan) -> None:
        """Hand everything unflushed to a plan, versions and ``segment.json`` last."""
        self.payload.collect(plan)
        self.indexes.collect(plan)
        for field in self.fields.values():
            field.collect(plan)
        self.ids.collect(plan)
        if self.dirty:
            flushed, self.config.version = self.config.version, self.version
            plan.replace(self.path / "segment.json", self.config.to_json())
            version, self.config.version = self.version, flushed  # as long as the flush may still fail
            plan.on_done(lambda: self._flushed(version))

    def _flushed(self, version: int) -> None:
        self.config.version = version

    def close(self) -> None:
        """Release files; unflushed changes are lost."""
        self.columns.drop()
        for files in self.locked:
            files.close()
        for field in self.fields.values():
            field.close()
        self.payload.close()
        self.indexes.close()
        self.ids.close()


class SegmentContext:
    """What a filter needs of a segment (the ``FilterContext`` of :mod:`edgeshard.filter`).

    Args:
        segment: where the points are.
    """

    __slots__ = ("segment",)

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    @property
    def count(self) -> int:
        """Number of offsets."""
        return self.segment.count

    @property
    def columns(self) -> PayloadColumns:
        """Payload columns of the segment."""
        return self.segment.columns

    def offsets_of(self, ids: Ids) -> Offsets:
        """Offsets of those ids which live here."""
        found = self.segment.ids.offsets_of(ids)
        return found[found >= 0].astype(np.uint32)

    def ids_arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """Low words, high words and is-UUID flags by offset."""
        return self.segment.ids.ids_arrays()

    def has_vector_mask(self, name: str) -> Mask | None:
        """Which offsets have a vector of that name; None if there is no such name."""
        field = self.segment.fields.get(name)
        return None if field is None else field.presence(self.segment.count)

    def index(self, path: str) -> Any:
        """The payload index of a field path, None if there is none."""
        return self.segment.indexes.get(path)

    def element_owners(self, array: JsonPath) -> Offsets | None:
        """The point of each object in an array, by the files of nested indexes; None if these cannot tell."""
        return self.segment.indexes.element_owners(array)

    def payload(self, offset: int) -> dict[str, Any]:
        """The decoded payload of a point."""
        return self.segment.payload_of(offset)
