"""The files of the payload indexes of one field: written from payloads, and kept up to date.

Directories are made under a temporary name and renamed when they are whole.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeshard.errors import EdgeShardError, StorageError
from edgeshard.filter.batches import in_batches
from edgeshard.index.payload import mutable
from edgeshard.index.payload.elements import ElementNumbers, find_elements
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Extracted, Packed
from edgeshard.segment.batch import Offsets
from edgeshard.storage import files
from edgeshard.storage.flush import FlushPlan

POINTS_AT_ONCE = 1 << 15
"""Points read at a time, which bounds memory."""
_DRAFT = ".building-"


class IndexedPayloads(Protocol):
    """Payloads to build indexes from."""

    @property
    def count(self) -> int:
        """Number of offsets."""

    def read_batch(self, offsets: Offsets) -> Packed:
        """Raw payloads of some offsets."""


class FieldFiles:
    """The indexes of one field of an appendable segment, open for writing.

    Args:
        root: the segment's ``payload_index`` directory.
        field: the schema of the field.
        indexes: one per kind.
        elements: numbers of the elements of a nested index.
    """

    __slots__ = ("_elements", "_field", "_indexes", "_root")

    def __init__(self, root: Path, field: FieldSchema, indexes: list[Any], elements: ElementNumbers | None) -> None:
        self._root = root
        self._field = field
        self._indexes = indexes
        self._elements = elements

    @classmethod
    def open(cls, root: Path, field: FieldSchema) -> FieldFiles:
        """The indexes a directory has of a field.

        Raises:
            CorruptedError: a file is missing or damaged.
        """
        indexes = [mutable.open_index(root / field.directory(kind), field, kind) for kind in field.kinds]
        elements = None
        if field.nested is not None:
            known = next(index.count for index in indexes if isinstance(index, mutable.FlagIndex))  # of nulls, at least
            elements = ElementNumbers.open([root / f"{field.directory(kind)}-elements" for kind in field.kinds], known)
        return cls(root, field, indexes, elements)

    @classmethod
    def create(cls, root: Path, field: FieldSchema, drafts: dict[str, Path]) -> FieldFiles:
        """New, empty indexes of a field, in directories of other names so far."""
        indexes = [mutable.create_index(drafts[field.directory(kind)], field, kind) for kind in field.kinds]
        elements = None
        if field.nested is not None:
            elements = ElementNumbers.create([drafts[f"{field.directory(kind)}-elements"] for kind in field.kinds])
        return cls(root, field, indexes, elements)

    def parts(self) -> list[Any]:
        """What is flushed and closed."""
        return self._indexes if self._elements is None else [*self._indexes, self._elements]

    def put(self, offsets: Offsets, payloads: Packed) -> None:
        """Set what the indexes hold of some points to what their payloads say.

        Raises:
            CorruptedError: a payload is not valid JSON.
        """
        where = place_of(self._root, offsets)
        if self._field.nested is None or self._elements is None:
            found = Extracted(*payloads, self._field.relative.steps, where)
            for index in self._indexes:
                index.put(offsets, found)
            return
        counts, objects = find_elements(*payloads, self._field.nested.steps, where)
        numbers, gone = self._elements.assign(offsets, counts)
        owners: npt.NDArray[np.int64] = np.repeat(np.arange(len(offsets)), counts)
        found = Extracted(*objects, self._field.relative.steps, lambda place: where(int(owners[place])))
        for index in self._indexes:
            index.put(numbers, found)
            if len(gone):
                index.remove(gone)

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        for part in self.parts():
            part.collect(plan)

    def close(self) -> None:
        """Release files."""
        for part in self.parts():
            part.close()


def write_field_files(
    root: Path, field: FieldSchema, source: IndexedPayloads | None, *, appendable: bool, durable: bool = True
) -> None:
    """Write the indexes of a field anew, and put them in the place of what is there.

    Args:
        root: the segment's ``payload_index`` directory.
        field: the schema of the field.
        source: the payloads; None for an appendable segment without points.
        appendable: in which of the two forms.
        durable: when this returns; False if the caller syncs the whole segment.

    Raises:
        CorruptedError: a payload is damaged.
        StorageError: the disk refused.
    """
    drafts = {name: root / f"{_DRAFT}{name}" for name in field.directories}
    try:
        for draft in drafts.values():
            files.disk.remove_tree(draft)
        if appendable:
            _fill(FieldFiles.create(root, field, drafts), source)
        else:
            from edgeshard.index.payload.build import write_field

            assert source is not None
            every = np.arange(source.count, dtype=np.uint32)
            write_field(field, drafts, source.count, source.read_batch, place_of(root, every))
        for name, draft in drafts.items():
            if durable:
                files.sync_tree(draft)
            files.disk.remove_tree(root / name)
            files.disk.rename(draft, root / name)
        if durable:
            files.disk.sync_directory(root)
    except OSError as error:
        if isinstance(error, EdgeShardError):
            raise
        raise StorageError(error.errno, f"cannot write {root}: {error.strerror}") from error


def _fill(made: FieldFiles, source: IndexedPayloads | None) -> None:
    if source is not None:
        every = np.arange(source.count, dtype=np.uint32)
        for offsets, payloads in in_batches(every, source.read_batch, POINTS_AT_ONCE):
            made.put(offsets, payloads)
    mutable.write_directly(made.parts())


def place_of(root: Path, offsets: Offsets) -> Callable[[int], str]:
    """What says where a payload is, by its place among those that were read, for errors."""
    return lambda place: f"payload at offset {int(offsets[place])} of {root.parent}"
