"""The index files of a field in an optimised segment, used as they are: mapped, checked, and asked.

Files of Qdrant's making and ours are alike. Files of a nested index are about the elements of an array; which point
each of these belongs to is in a file of its own. What no index of the field knows is left to the payload columns, and
so is everything once a file turns out damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import Question, question
from edgeshard.index.payload.open_elements import Elements
from edgeshard.index.payload.open_flags import BoolFiles, NullFiles
from edgeshard.index.payload.open_geo import GeoFiles
from edgeshard.index.payload.open_maps import MapFiles
from edgeshard.index.payload.open_numeric import NumericFiles
from edgeshard.index.payload.ordered import Ordered, in_order
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.text import TextIndex
from edgeshard.index.payload.value_groups import KeyGroups
from edgeshard.index.payload.values import Mask, Offsets
from edgeshard.models.paths import JsonPath


class Reader(Protocol):
    """The files of one kind of index; made from ``(directory, kind, points)``, with elements for points if nested.

    All methods raise :class:`CorruptedError` for files that are missing or damaged.
    """

    def mask(self, asked: Question, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass a clause the index knows; None if these files cannot tell."""

    def filled(self, count: int) -> Mask:
        """``(count,) bool`` of the points that have a value."""


_READERS: dict[str, Callable[[Path, str, int], Reader]] = {
    schema.KEYWORD: MapFiles,
    schema.INT_MAP: MapFiles,
    schema.UUID_MAP: MapFiles,
    schema.INT: NumericFiles,
    schema.FLOAT: NumericFiles,
    schema.DATETIME: NumericFiles,
    schema.GEO: GeoFiles,
    schema.BOOL: BoolFiles,
    schema.NULL: NullFiles,
}


class OpenedIndex:
    """Answers conditions on a field from the files of its indexes.

    Args:
        root: the segment's ``payload_index`` directory.
        field: its schema.
        points: offsets of the segment; files must name none beyond.
        elements: of the segment's nested indexes.
        report: told once what is wrong with the files, which are not used any more then.
        rest: what answers conditions the files do not; None for the payload columns.
    """

    __slots__ = (
        "_elements", "_field", "_groups", "_ordered", "_owners", "_points", "_readers", "_report", "_rest", "_root",
        "usable",
    )  # fmt: skip

    def __init__(
        self,
        root: Path,
        field: FieldSchema,
        points: int,
        elements: Elements,
        report: Callable[[str], None],
        rest: Any = None,
    ) -> None:
        self._root = root
        self._rest = rest
        self._field = field
        self._points = points
        self._report = report
        self._elements = elements
        self._owners: Offsets | None = None
        self._readers: dict[str, Reader] = {}
        self._groups: dict[str, KeyGroups] = {}
        self._ordered: dict[tuple[str, bool], Ordered] = {}
        self.usable = True

    @property
    def nested(self) -> JsonPath | None:
        """The array whose elements the index is about; None if it is about points."""
        return self._field.nested

    def changed(self, offsets: Offsets) -> None:
        """Points have new payloads, which does not happen in an optimised segment."""

    # --- conditions ------------------------------------------------------------------------------------

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass; None if the files cannot tell."""
        asked = question(condition, self._field.kinds)
        if asked is not None:
            found: Mask | None = self._ask(lambda: self._by_point(self._hits(asked, count), count))
            if found is not None:
                return found
        rest: Mask | None = None if self._rest is None else self._rest.mask(condition, count)
        return rest

    def elements(self, condition: Any) -> tuple[Mask, Offsets] | None:
        """Which elements of a nested index pass, and the point of each; None if the index cannot tell."""
        asked = question(condition, self._field.kinds)
        if asked is not None and self.nested is not None:
            hits: Mask | None = self._ask(lambda: self._hits(asked, 0))
            if hits is not None:
                assert self._owners is not None
                return hits, self._owners
        rest: tuple[Mask, Offsets] | None = None if self._rest is None else self._rest.elements(condition)
        return rest

    def offsets(self, condition: Any, count: int) -> Offsets | None:
        """The points that pass, ascending; None if they are many or the files cannot tell."""
        asked = question(condition, self._field.kinds)
        if asked is None:
            return None
        found: Offsets | None = self._ask(lambda: self._listed(asked, count))
        return found

    def filled(self, count: int) -> Mask | None:
        """``(count,) bool`` of the points with a value; None if the files cannot tell."""
        kind = self._field.kinds[0]
        filled: Mask | None = self._ask(lambda: self._by_point(self._reader(kind).filled(self._size(count)), count))
        return filled

    def owners(self) -> Offsets | None:
        """The point of each element of a nested index, ascending; None if the files cannot tell."""
        return None if self.nested is None else self._ask(self._read_owners)

    # --- values ----------------------------------------------------------------------------------------

    def groups(self, kind: str) -> KeyGroups | None:
        """The values one of the indexes holds and which points have each; None if the files cannot tell."""
        found = self._groups.get(kind)
        if found is None and kind in self._field.kinds:
            found = self._ask(lambda: self._group(kind))
            if found is not None:
                self._groups[kind] = found
        return found

    def ordered(self, kind: str, *, descending: bool = False) -> Ordered | None:
        """Points and values of a numeric index in order, equal values by point; None if the files cannot tell."""
        found = self._ordered.get((kind, descending))
        if found is None and kind in self._field.kinds:
            found = self._ask(lambda: self._order(kind, descending))
            if found is not None:
                self._ordered[kind, descending] = found
        return found

    def several(self, kind: str) -> bool | None:
        """Whether a point may have several values in a numeric index; None if the files cannot tell."""
        if kind not in self._field.kinds:
            return None
        found: bool | None = self._ask(lambda: self.nested is not None or self._numeric(kind).most > 1)
        return found

    # --- inside ----------------------------------------------------------------------------------------

    def _hits(self, asked: Question, count: int) -> Mask | None:
        """The points (or elements) that pass."""
        return self._reader(asked.kind).mask(asked, self._size(count))

    def _by_point(self, hits: Mask | None, count: int) -> Mask | None:
        """From elements to points, if the index is nested."""
        if hits is None or self._owners is None:
            return hits
        return _native.any_by_owner(hits, self._owners, count)

    def _listed(self, asked: Question, count: int) -> Offsets | None:
        reader = self._reader(asked.kind)
        if not isinstance(reader, (MapFiles, NumericFiles, GeoFiles)) or count < self._points:
            return None
        found = reader.offsets(asked, self._size(count))
        return found if found is None or self._owners is None else np.unique(self._owners[found])

    def _group(self, kind: str) -> KeyGroups:
        reader = self._reader(kind)
        assert isinstance(reader, (MapFiles, BoolFiles))
        keys, owners, numbers = reader.groups()
        if self._owners is not None:
            owners = self._owners[owners]
        return KeyGroups(kind, keys, owners, numbers, self._points)

    def _order(self, kind: str, descending: bool) -> Ordered:
        owners, values = self._numeric(kind).pairs()
        if self._owners is None and not descending:
            return owners, values
        return in_order(owners if self._owners is None else self._owners[owners], values, descending=descending)

    def _numeric(self, kind: str) -> NumericFiles:
        reader = self._reader(kind)
        assert isinstance(reader, NumericFiles)
        return reader

    def _size(self, count: int) -> int:
        """What the files count: elements of a nested index, or else the caller's points."""
        return count if self.nested is None else len(self._read_owners())

    def _read_owners(self) -> Offsets:
        if self._owners is None:
            self._owners = self._elements.owners(self._root, self._field, self._points)
        return self._owners

    def _reader(self, kind: str) -> Reader:
        reader = self._readers.get(kind)
        if reader is None:
            size = self._size(self._points)
            reader = self._readers[kind] = _READERS[kind](self._root / self._field.directory(kind), kind, size)
        return reader

    def _ask(self, ask: Callable[[], Any]) -> Any:
        """What the files say; None, and a report, once they turn out damaged."""
        if not self.usable:
            return None
        try:
            return ask()
        except CorruptedError as error:
            self.usable = False
            self._readers.clear()
            self._groups.clear()
            self._ordered.clear()
            self._report(str(error))
            return None


class OpenedTextIndex(TextIndex):
    """A text index in an optimised segment, whose null index answers whether a point has values.

    Args:
        root: the segment's ``payload_index`` directory.
        field: its schema.
        segment: has the payloads.
        elements: of the segment's nested indexes.
        report: told once what is wrong with the files, which are not used any more then.
    """

    __slots__ = ()

    def __init__(
        self, root: Path, field: FieldSchema, segment: Any, elements: Elements, report: Callable[[str], None]
    ) -> None:
        nested = field.nested is not None
        owners = (lambda: elements.owners(root, field, segment.count)) if nested else None
        super().__init__(field, segment, report, directory=root / field.directory(schema.TEXT), owners=owners)
        self._rest = OpenedIndex(root, field, segment.count, elements, report, self._rest)

    def owners(self) -> Offsets | None:
        """The point of each element of a nested index, ascending; None if the files cannot tell."""
        owners: Offsets | None = self._rest.owners()
        return owners
