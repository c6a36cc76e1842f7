"""The payload indexes of one segment: their schema on disk and the indexes by field path.

Files: ``payload_index/config.json`` and a directory per index (``docs/format/payload-index.md``).

The files of an optimised segment answer filters, facets and orderings as they are. In an appendable one payload columns
do, so its files only have to be right when they become durable: changed offsets are noted, and a flush reads their
payloads once and brings every index up to date (``segment/payload_index_files.py`` writes them).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from edgeshard.errors import CorruptedError
from edgeshard.filter.batches import in_batches
from edgeshard.index.payload import mutable
from edgeshard.index.payload.open_elements import Elements
from edgeshard.index.payload.schema import NULL, TEXT, UUID_MAP, FieldSchema
from edgeshard.index.payload.values import Packed
from edgeshard.models.paths import JsonPath, parse_path
from edgeshard.segment.batch import Mask, Offsets
from edgeshard.segment.changed_offsets import ChangedOffsets
from edgeshard.segment.payload_index_files import POINTS_AT_ONCE, FieldFiles, IndexedPayloads, write_field_files
from edgeshard.storage import files
from edgeshard.storage.flush import FlushPlan

if TYPE_CHECKING:
    from edgeshard.index.payload.opened import OpenedIndex
    from edgeshard.index.payload.ordered import Ordered
    from edgeshard.index.payload.value_groups import ValueGroups

DIRECTORY = "payload_index"
CONFIG = "config.json"


class IndexedSegment(IndexedPayloads, Protocol):
    """What the indexes ask of their segment."""

    @property
    def columns(self) -> Any:
        """Payload columns."""

    def live_mask(self) -> Mask:
        """Which offsets hold a point."""


class PayloadIndexes:
    """The payload indexes of a segment.

    Args:
        path: the segment's ``payload_index`` directory.
        schema: field path -> schema in the form ``config.json`` has it (a type name or an object).
        appendable: whether the segment's indexes are changed in place.
    """

    __slots__ = (
        "_broken",
        "_changed",
        "_elements",
        "_fields",
        "_open",
        "_queue",
        "_rebuild",
        "_views",
        "appendable",
        "path",
        "schema",
        "segment",
    )

    def __init__(self, path: Path, schema: dict[str, Any], *, appendable: bool = True) -> None:
        self.path = path
        self.schema = schema
        self.appendable = appendable
        self.segment: IndexedSegment | None = None
        self._changed = False
        self._broken: set[str] = set()
        self._rebuild: set[str] = set()
        self._queue = ChangedOffsets()
        self._open: dict[str, FieldFiles] = {}
        self._views: dict[str, Any] = {}
        self._elements = Elements()
        self._fields: dict[str, FieldSchema] = {}

    @classmethod
    def create(cls, segment: Path, schema: dict[str, Any]) -> PayloadIndexes:
        """The indexes of a new, empty, appendable segment; the caller makes them durable."""
        directory = segment / DIRECTORY
        files.disk.mkdir(directory)
        indexes = cls(directory, dict(schema))
        for field in schema:
            write_field_files(directory, indexes._field(field), None, appendable=True, durable=False)
        files.replace_file(directory / CONFIG, indexes._config())
        return indexes

    @classmethod
    def build(cls, segment: Path, schema: dict[str, Any], source: IndexedPayloads, *, appendable: bool) -> None:
        """Write the indexes of a segment whose payloads are written; the caller makes them durable.

        Raises:
            CorruptedError: a payload is damaged.
            StorageError: the disk refused.
        """
        indexes = cls(segment / DIRECTORY, dict(schema), appendable=appendable)
        files.disk.mkdir(indexes.path)
        for field in schema:
            write_field_files(indexes.path, indexes._field(field), source, appendable=appendable, durable=False)
        files.replace_file(indexes.path / CONFIG, indexes._config())

    @classmethod
    def open(cls, segment: Path, *, appendable: bool = True) -> PayloadIndexes:
        """The indexes of an existing segment; none if their configuration is missing.

        A listed index without its files is rebuilt by the next flush; no index file is read here.

        Raises:
            CorruptedError: the configuration cannot be read.
        """
        directory = segment / DIRECTORY
        file = directory / CONFIG
        if not file.exists():
            return cls(directory, {}, appendable=appendable)
        try:
            config = files.parse_json(files.read_file(file, 16 << 20))
            indexes = cls(directory, dict(config["indexed_fields"]), appendable=appendable)
            for field in indexes.schema:
                indexes._look_at(indexes._field(field), config.get("indexed_types", {}).get(field))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CorruptedError(file, f"not a payload index configuration: {error}") from error
        return indexes

    def _look_at(self, field: FieldSchema, types: list[dict[str, Any]] | None) -> None:
        """Note a field whose files are missing or of another type than its schema says."""
        try:
            found = None if types is None else [entry["index_type"] for entry in types]
        except (KeyError, TypeError):
            found = []
        wanted = list(field.kinds)
        missing = [
            path
            for kind in wanted
            for path in mutable.required_files(self.path / field.directory(kind), kind, appendable=self.appendable)
            if not path.is_file()
        ]
        if field.nested is not None:
            name = "config.json" if self.appendable else "starts.zstd"
            elements = [self.path / f"{field.directory(kind)}-elements" / name for kind in wanted]
            missing += [path for path in elements if not path.is_file()]
        if found is not None and [kind.replace("uuid_index", UUID_MAP) for kind in found] != wanted:
            self._to_rebuild(field.field, f"its files hold {found}, its schema says {wanted}")
        elif missing:
            self._to_rebuild(field.field, f"{missing[0]} is missing")

    def _to_rebuild(self, field: str, reason: str) -> None:
        warnings.warn(
            f"the payload index of {field!r} in {self.path} is rebuilt from the payloads by the next flush: {reason}",
            RuntimeWarning,
            stacklevel=3,
        )
        self._broken.add(field)

    def attach(self, segment: IndexedSegment) -> None:
        """Say whose points these are the indexes of."""
        self.segment = segment

    # --- reading ---------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """What answers conditions on a field path better than its column, None if nothing does."""
        if path not in self.schema:
            return None
        view = self._views.get(path, self)
        if view is self:
            view = self._views[path] = self._make_view(self._field(path))
        return view

    def field(self, path: str) -> FieldSchema | None:
        """What the schema says of a field path, None if the field has no index."""
        found = self._fields.get(path)
        if found is None and path in self.schema:
            found = self._fields[path] = self._field(path)
        return found

    def _make_view(self, field: FieldSchema) -> Any:
        assert self.segment is not None

        def report(reason: str) -> None:
            self._to_rebuild(field.field, reason)

        if TEXT in field.kinds:
            from edgeshard.index.payload.opened import OpenedTextIndex
            from edgeshard.index.payload.text import TextIndex

            if self._usable(field):
                return OpenedTextIndex(self.path, field, self.segment, self._elements, report)
            return TextIndex(field, self.segment, report)
        view = self._column_view(field)
        if self._usable(field):
            from edgeshard.index.payload.opened import OpenedIndex

            return OpenedIndex(self.path, field, self.segment.count, self._elements, report, view)
        return view

    def _column_view(self, field: FieldSchema) -> Any:
        """What makes a field's column answer as an index of its type."""
        from edgeshard.index.payload.typed import TypedIndex

        return TypedIndex(field, self.segment)

    def _usable(self, field: FieldSchema) -> bool:
        """Whether the files of a field can answer queries."""
        whole = field.field not in self._rebuild and field.field not in self._broken
        return whole and not self.appendable

    def element_owners(self, array: JsonPath) -> Offsets | None:
        """The point of each object in an array, by the files of a nested index; None if no file tells."""
        for name in self.schema:
            field = self.field(name)
            if field is not None and field.nested == array and self._usable(field):
                owners: Offsets | None = self.get(name).owners()
                if owners is not None:
                    return owners
        return None

    def _opened(self, path: str) -> OpenedIndex | None:
        """The index of a field in files that can be used."""
        if self.appendable:
            return None
        from edgeshard.index.payload.opened import OpenedIndex

        view = self.get(path)
        return view if isinstance(view, OpenedIndex) else None

    def groups(self, path: str, kind: str) -> ValueGroups:
        """The values an index of a kind has of a field, numbered; from its files if they can be used.

        Raises:
            CorruptedError: a payload is damaged.
        """
        from edgeshard.index.payload.value_groups import column_groups

        assert self.segment is not None
        opened = self._opened(path)
        found: ValueGroups | None = None if opened is None else opened.groups(kind)
        return column_groups(self.segment.columns.column(parse_path(path)), kind) if found is None else found

    def ordered(self, path: str, kind: str, *, descending: bool = False) -> Ordered | None:
        """Points and values of a field in order, as a numeric index has them; from its files if they can be used.

        None if a pass over the field's column is the better way to answer a single question.

        Raises:
            CorruptedError: a payload is damaged.
        """
        from edgeshard.index.payload.ordered import ordered_values

        assert self.segment is not None
        opened = self._opened(path)
        found: Ordered | None = None if opened is None else opened.ordered(kind, descending=descending)
        if found is not None:
            return found
        return ordered_values(self.segment.columns.column(parse_path(path)), kind, descending=descending)

    def several(self, path: str, kind: str) -> bool:
        """Whether a point may have several values in a numeric index of a field."""
        assert self.segment is not None
        opened = self._opened(path)
        found: bool | None = None if opened is None else opened.several(kind)
        return self.segment.columns.column(parse_path(path)).owners is not None if found is None else found

    def points(self, field: str) -> int:
        """How many points have a value the index of a field holds (of a text index: a token)."""
        assert self.segment is not None
        from edgeshard.index.payload.values import holders

        known, view = self._field(field), self.get(field)
        filled = None if view is None else view.filled(self.segment.count)
        if filled is not None:
            return int(np.count_nonzero(filled & self.segment.live_mask()))
        if known.kinds[0] == NULL:  # without lookup and range it holds no values: Qdrant counts every point
            return int(np.count_nonzero(self.segment.live_mask()))
        held = holders(self.segment.columns.column(known.path), known.kinds[0])
        return int(np.count_nonzero(held & self.segment.live_mask()))

    # --- changing --------------------------------------------------------------------------------------

    def create_index(self, field: str, schema: Any) -> None:
        """Add or replace the index of a field; its files are written by the next flush."""
        self._field(field, schema)
        self._close_field(field)
        self._views.pop(field, None)
        self._fields.pop(field, None)
        self.schema[field] = schema
        self._rebuild.add(field)
        self._changed = True

    def delete_index(self, field: str) -> None:
        """Remove the index of a field, if there is one."""
        if self.schema.pop(field, None) is not None:
            self._close_field(field)
            self._views.pop(field, None)
            self._fields.pop(field, None)
            self._rebuild.discard(field)
            self._broken.discard(field)
            self._changed = True

    def adopt(self, schema: dict[str, Any]) -> None:
        """Have the indexes another segment has: add, replace and remove what differs."""
        for field in self.schema.keys() - schema.keys():
            self.delete_index(field)
        for field, stored in schema.items():
            if self.schema.get(field) != stored:
                self.create_index(field, stored)

    def update(self, offsets: Offsets) -> None:
        """Points got new payloads."""
        self._note(offsets)

    def remove(self, offsets: Offsets) -> None:
        """Points were deleted."""
        self._note(offsets)

    def _note(self, offsets: Offsets) -> None:
        if not self.schema:
            return
        self._queue.note(offsets)
        for view in self._views.values():
            if view is not None:
                view.changed(offsets)

    def collect(self, plan: FlushPlan) -> None:
        """Bring the files up to date with the payloads and hand the changes to a flush.

        Raises:
            CorruptedError: a payload is damaged.
            StorageError: the disk refused; nothing is lost.
        """
        rebuilt = sorted((self._rebuild | self._broken) & self.schema.keys())
        for field in rebuilt:
            self._build(field)
        if self._queue and self.appendable:
            self._write([name for name in self.schema if name not in rebuilt], self._queue.all())
        for opened in self._open.values():
            opened.collect(plan)
        if self._changed or rebuilt:
            plan.replace(self.path / CONFIG, self._config())
        noted = self._queue.noted
        plan.on_done(lambda: self._flushed(noted))

    def _flushed(self, noted: int) -> None:
        self._queue.forget(noted)
        if self._changed:
            self._remove_unlisted()
        self._changed = False
        if not self.appendable:  # queries go by the new files
            for name in self._rebuild | self._broken:
                self._views.pop(name, None)
        self._rebuild.clear()
        self._broken.clear()

    def close(self) -> None:
        """Release files."""
        for field in list(self._open):
            self._close_field(field)

    # --- inside ----------------------------------------------------------------------------------------

    def _field(self, field: str, schema: Any = None) -> FieldSchema:
        return FieldSchema(field, self.schema[field] if schema is None else schema)

    def _close_field(self, field: str) -> None:
        opened = self._open.pop(field, None)
        if opened is not None:
            opened.close()

    def _write(self, fields: list[str], changed: Offsets) -> None:
        """Rewrite what the indexes of some fields hold of some points."""
        assert self.segment is not None
        damaged = []
        for offsets, payloads in in_batches(changed, self.segment.read_batch, POINTS_AT_ONCE):
            for name in fields:
                if name not in damaged and not self._write_field(name, offsets, payloads):
                    damaged.append(name)
        for name in damaged:
            self._build(name)

    def _write_field(self, name: str, offsets: Offsets, payloads: Packed) -> bool:
        """Whether the field's files could be changed; otherwise they are damaged."""
        opened = self._open.get(name)
        if opened is None:
            try:
                opened = self._open[name] = FieldFiles.open(self.path, self._field(name))
            except CorruptedError as error:
                self._to_rebuild(name, str(error))
                return False
        opened.put(offsets, payloads)
        return True

    def _build(self, name: str) -> None:
        """Write the indexes of a field anew from all payloads."""
        assert self.segment is not None
        self._close_field(name)
        field = self._field(name)
        if name not in self._broken:  # what is listed must never be files of another type
            files.replace_file(self.path / CONFIG, self._config(without=self._rebuild))
        write_field_files(self.path, field, self.segment, appendable=self.appendable)

    def _remove_unlisted(self) -> None:
        """Remove directories of fields that are no longer indexed."""
        listed = {name for field in self.schema for name in self._field(field).directories}
        for entry in self.path.iterdir():
            if entry.is_dir() and entry.name not in listed and not entry.name.startswith(files.TEMPORARY_PREFIX):
                files.disk.remove_tree(entry)

    def _config(self, without: set[str] | None = None) -> bytes:
        schema = {name: stored for name, stored in self.schema.items() if not without or name not in without}
        config: dict[str, Any] = {"indexed_fields": schema}
        if schema:
            config["indexed_types"] = {name: self._field(name).types(self.appendable) for name in schema}
        return msgspec.json.encode(config)
