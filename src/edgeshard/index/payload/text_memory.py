"""The text index of a field in memory, built from the payloads and kept current with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.filter.batches import in_batches
from edgeshard.filter.column_store import Owners
from edgeshard.index.payload import schema
from edgeshard.index.payload.elements import find_elements
from edgeshard.index.payload.mutable import found_tokens
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Extracted, Offsets, Packed

_CHUNK = 1 << 15
"""Points read at a time, which bounds memory."""


class TextMemory:
    """Tokens and postings of the points of a segment, or of the elements of a nested index.

    Built when first asked for; after that the points that have changed are read again when it is next asked for.
    The caller sees to it that one thread at a time asks.

    Args:
        field: its schema.
        segment: has the payloads.
        tokenizer: of the field.
    """

    __slots__ = ("_changed", "_field", "_index", "_many", "_owners", "_segment", "_tokenizer")

    def __init__(self, field: FieldSchema, segment: Any, tokenizer: Any) -> None:
        self._field = field
        self._segment = segment
        self._tokenizer = tokenizer
        self._index: _native.PlainTextIndex | None = None
        self._owners: Owners | None = None
        self._changed: list[Offsets] = []
        self._many = 0

    def changed(self, offsets: Offsets) -> None:
        """Points have new payloads, or none any more."""
        if self._index is None:
            return
        self._changed.append(np.array(offsets, np.uint32))
        self._many += len(offsets)
        if self._many * 4 > self._segment.count + 4096:  # reading all of them anew is cheaper
            self._index = None

    def current(self) -> tuple[_native.PlainTextIndex, Offsets | None]:
        """The index as of now, and of a nested one the point of each element.

        Raises:
            CorruptedError: a payload is not valid JSON.
        """
        index = self._index
        if index is None or (self._owners is not None and self._owners.wasteful):
            index = _native.PlainTextIndex(self._field.phrases)
            self._owners = None if self._field.nested is None else Owners()
            self._read(index, np.arange(self._segment.count, dtype=np.uint32))
        elif self._changed:
            self._read(index, np.unique(np.concatenate(self._changed)))
        self._index, self._changed, self._many = index, [], 0
        owners = self._owners
        return index, None if owners is None else owners.owners[: owners.used]

    def _read(self, index: _native.PlainTextIndex, offsets: Offsets) -> None:
        self._index = None  # until it is whole again
        for some, payloads in in_batches(offsets, self._segment.read_batch, _CHUNK):
            documents, found = self._extract(index, some, payloads)
            counts, codes = found.values(schema.TEXT)
            batch = found_tokens(self._tokenizer, found.strings, phrases=self._field.phrases)
            index.put(documents, *batch, np.ascontiguousarray(codes - np.uint32(1)), counts)

    def _extract(self, index: _native.PlainTextIndex, offsets: Offsets, payloads: Packed) -> tuple[Offsets, Extracted]:
        """The documents of some points, and the texts of each."""

        def where(place: int) -> str:
            return f"{self._segment.origin}: payload of the point at offset {int(offsets[place])}"

        owners = self._owners
        if owners is None or self._field.nested is None:
            return offsets, Extracted(*payloads, self._field.relative.steps, where)
        counts, objects = find_elements(*payloads, self._field.nested.steps, where)
        known = len(owners.many)
        index.remove(owners.spans(offsets[offsets < known]).astype(np.uint32))
        owners.replace(offsets, counts, known)
        points = np.repeat(np.arange(len(offsets)), counts)
        found = Extracted(*objects, self._field.relative.steps, lambda place: where(int(points[place])))
        return owners.spans(offsets).astype(np.uint32), found
