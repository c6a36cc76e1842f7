"""The index files of a field in an optimised segment, used as they are: mapped, checked, and asked.

Files of Qdrant's making and ours are alike. What they cannot answer (or answer otherwise than the payloads do) is left
to the payload columns, and so is everything once a file turns out damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import Question, question
from edgeshard.index.payload.open_flags import BoolFiles, NullFiles
from edgeshard.index.payload.open_geo import GeoFiles
from edgeshard.index.payload.open_maps import MapFiles
from edgeshard.index.payload.open_numeric import NumericFiles
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.text import TextIndex
from edgeshard.index.payload.values import Mask, Offsets
from edgeshard.models.paths import JsonPath


class Reader(Protocol):
    """The files of one kind of index; made from ``(directory, kind, points)``.

    Both methods raise :class:`CorruptedError` for files that are missing or damaged.
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
        field: its schema, not a nested one.
        points: offsets of the segment; files must name none beyond.
        report: told once what is wrong with the files, which are not used any more then.
        rest: what answers conditions the files do not; None for the payload columns.
    """

    __slots__ = ("_field", "_points", "_readers", "_report", "_rest", "_root", "answered", "usable")

    def __init__(
        self, root: Path, field: FieldSchema, points: int, report: Callable[[str], None], rest: Any = None
    ) -> None:
        self._root = root
        self._rest = rest
        self._field = field
        self._points = points
        self._report = report
        self._readers: dict[str, Reader] = {}
        self.usable = True
        self.answered = 0
        """Conditions answered from the files."""

    @property
    def nested(self) -> JsonPath | None:
        """The array whose elements the index is about; None if it is about points."""
        return self._field.nested

    def changed(self, offsets: Offsets) -> None:
        """Points have new payloads, which does not happen in an optimised segment."""

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass; None if the files cannot tell."""
        asked = question(condition, self._field.kinds)
        found = None if asked is None else self._ask(asked.kind, lambda reader: reader.mask(asked, count))
        if found is not None:
            self.answered += 1
            return found
        rest: Mask | None = None if self._rest is None else self._rest.mask(condition, count)
        return rest

    def elements(self, condition: Any) -> tuple[Mask, Offsets] | None:
        """Which elements of a nested index pass, and the point of each; None if the index cannot tell."""
        rest: tuple[Mask, Offsets] | None = None if self._rest is None else self._rest.elements(condition)
        return rest

    def filled(self, count: int) -> Mask | None:
        """``(count,) bool`` of the points with a value; None if the files cannot tell."""
        return self._ask(self._field.kinds[0], lambda reader: reader.filled(count))

    def _ask(self, kind: str, ask: Callable[[Reader], Mask | None]) -> Mask | None:
        if not self.usable or kind not in _READERS:
            return None
        try:
            reader = self._readers.get(kind)
            if reader is None:
                made = _READERS[kind](self._root / self._field.directory(kind), kind, self._points)
                reader = self._readers[kind] = made
            return ask(reader)
        except CorruptedError as error:
            self.usable = False
            self._readers.clear()
            self._report(str(error))
            return None


class OpenedTextIndex(TextIndex):
    """A text index in an optimised segment, whose null index answers whether a point has values.

    Args:
        root: the segment's ``payload_index`` directory.
        field: its schema, not a nested one.
        segment: has the payloads.
        report: told once what is wrong with the files, which are not used any more then.
    """

    __slots__ = ()

    def __init__(self, root: Path, field: FieldSchema, segment: Any, report: Callable[[str], None]) -> None:
        super().__init__(field, segment, root / field.directory(schema.TEXT), report)
        self._rest = OpenedIndex(root, field, segment.count, report, self._rest)
