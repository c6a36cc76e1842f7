"""Immutable payload indexes: written once, from all payloads of a segment, in the forms Qdrant maps or loads.

Layouts: ``docs/format/payload-index.md``. Deleted points are no business of these files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgeshard import _native
from edgeshard.filter.batches import in_batches
from edgeshard.index.payload import mutable, schema
from edgeshard.index.payload.build_geo import write_geo
from edgeshard.index.payload.build_numeric import write_numeric
from edgeshard.index.payload.build_parts import (
    absent_mask,
    first_of_each,
    plane_frame,
    save,
    write_point_to_values,
)
from edgeshard.index.payload.elements import find_elements
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Array, Extracted, Offsets, Packed
from edgeshard.storage.runs import bounds_of

if TYPE_CHECKING:
    from edgeshard.storage.flags import Flags

Reader = Callable[[Offsets], Packed]
"""Gives the raw payloads of some offsets."""

_CHUNK = 1 << 15
TEXT_KEYS, INTEGER_KEYS, UUID_KEYS = range(3)
"""Kinds of keys of a map file."""


class Collected:
    """What a field's indexes hold of all points (or elements) of a segment.

    Args:
        field: its schema.
        count: points of the segment.
        read: gives payloads.
        where: names a point in error messages.

    Raises:
        CorruptedError: a payload is not valid JSON.
    """

    __slots__ = ("element_counts", "facts", "field", "owners", "parts", "strings")

    def __init__(self, field: FieldSchema, count: int, read: Reader, where: Callable[[int], str]) -> None:
        self.field = field
        self.strings = _native.ColumnStrings()
        self.parts: dict[str, list[tuple[Array, Array]]] = {kind: [] for kind in field.kinds}
        self.facts: list[tuple[Array, Array]] = []
        self.element_counts: list[Array] = []
        for offsets, payloads in in_batches(np.arange(count, dtype=np.uint32), read, _CHUNK):
            self._add(payloads, lambda place, start=int(offsets[0]): where(start + place))  # type: ignore[misc]

    def _add(self, payloads: Packed, where: Callable[[int], str]) -> None:
        if self.field.nested is not None:
            counts, payloads = find_elements(*payloads, self.field.nested.steps, where)
            self.element_counts.append(counts)
        found = Extracted(*payloads, self.field.relative.steps, where, self.strings)
        for kind, parts in self.parts.items():
            parts.append(mutable.flags_of(found, kind) if kind in mutable.FLAG_NAMES else found.values(kind))

    def values(self, kind: str) -> tuple[Array, Array]:
        """Values per point ``(points,)`` and all values; or the two flags per point."""
        if not self.parts[kind]:
            empty = Extracted(np.zeros(0, np.uint8), np.zeros(1, np.int64), ("",), str, self.strings)
            return mutable.flags_of(empty, kind) if kind in mutable.FLAG_NAMES else empty.values(kind)
        first, second = zip(*self.parts[kind], strict=True)
        return np.concatenate(first), np.concatenate(second)


def write_field(
    field: FieldSchema, drafts: dict[str, Path], count: int, read: Reader, where: Callable[[int], str]
) -> None:
    """Write all indexes of a field.

    Args:
        field: its schema.
        drafts: directory to make for each name in ``field.directories``.
        count: points of the segment.
        read: gives payloads.
        where: names a point in error messages.

    Raises:
        CorruptedError: a payload is not valid JSON.
        OSError: the file system refused.
    """
    found = Collected(field, count, read, where)
    for kind in field.kinds:
        directory = drafts[field.directory(kind)]
        directory.mkdir(parents=True)
        first, second = found.values(kind)
        _WRITERS[kind](directory, found, first, second)
    if field.nested is not None:
        for kind in field.kinds:
            indexed = _indexed_points(found, kind)
            write_starts(drafts[f"{field.directory(kind)}-elements"], found.element_counts, indexed)


def _write_keywords(directory: Path, found: Collected, counts: Offsets, codes: Array) -> None:
    counts, codes = first_of_each(counts, codes)
    used, numbers = np.unique(codes, return_inverse=True)
    data, bounds = _native.string_bytes(found.strings, 1)
    keys = _gather(data, bounds, used.astype(np.int64) - 1)
    lengths = np.diff(keys[1])
    if found.field.options.get("prefix"):
        points = np.bincount(numbers, minlength=len(used)).astype(np.uint32)
        save(directory / "prefix_index.bin", _native.build_prefix_index(*keys, points))
    _write_map(directory, TEXT_KEYS, keys, counts, numbers)
    values = _with_lengths(keys, lengths, numbers)
    write_point_to_values(directory, counts, values, (lengths + 4)[numbers])


def _with_lengths(keys: Packed, lengths: Array, numbers: Array) -> Array:
    """Texts by number, each after its length as u32."""
    heads = lengths.astype("<u4").view(np.uint8).reshape(-1, 4)
    width = lengths + 4
    starts = np.cumsum(width) - width
    whole = np.zeros(int(width.sum()), np.uint8)
    for byte in range(4):
        whole[starts + byte] = heads[:, byte]
    inside = np.ones(len(whole), np.bool_)
    inside[(starts[:, None] + np.arange(4)).reshape(-1)] = False
    whole[inside] = keys[0]
    return _gather(whole, np.append(starts, len(whole)), numbers)[0]


def _gather(data: Array, bounds: Array, chosen: Array) -> Packed:
    starts = np.ascontiguousarray(bounds[chosen], np.int64)
    return _native.gather_slices(data, starts, np.ascontiguousarray(bounds[chosen + 1], np.int64))


def _write_integers(directory: Path, found: Collected, counts: Offsets, values: Array) -> None:
    counts, values = first_of_each(counts, values)
    _write_fixed_map(directory, INTEGER_KEYS, counts, values)


def _write_uuids(directory: Path, found: Collected, counts: Offsets, words: Array) -> None:
    pairs = np.ascontiguousarray(words).view([("low", "<u8"), ("high", "<u8")]).reshape(-1)
    counts, pairs = first_of_each(counts, pairs)
    _write_fixed_map(directory, UUID_KEYS, counts, pairs)


def _write_fixed_map(directory: Path, kind: int, counts: Offsets, values: Array) -> None:
    used, numbers = np.unique(values, return_inverse=True)
    width = values.itemsize
    keys = used.view(np.uint8), np.arange(len(used) + 1, dtype=np.int64) * width
    _write_map(directory, kind, keys, counts, numbers)
    write_point_to_values(directory, counts, values.view(np.uint8), np.full(len(values), width, np.int64))


def _write_map(directory: Path, kind: int, keys: Packed, counts: Offsets, numbers: Array) -> None:
    """The files all map indexes have but ``point_to_values.bin``."""
    owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    order = np.argsort(numbers, kind="stable")
    bounds = bounds_of(np.bincount(numbers, minlength=len(keys[1]) - 1))
    save(directory / "values_to_points.bin", _native.build_map(kind, *keys, bounds, owners[order]))
    save(directory / "deleted.bin", absent_mask(counts))
    save(directory / "mmap_field_index_config.json", msgspec.json.encode({"total_key_value_pairs": len(numbers)}))


def _write_text(directory: Path, found: Collected, counts: Offsets, codes: Array) -> None:
    field = found.field
    batch = mutable.found_tokens(mutable.tokenizer_of(field), found.strings, phrases=field.phrases)
    texts = np.ascontiguousarray(codes - np.uint32(1))
    postings, vocabulary, frequencies, distinct, lengths = _native.build_text_files(
        *batch, texts, counts, field.phrases, field.scored
    )
    save(directory / "postings.dat", postings)
    save(directory / "vocab.dat", vocabulary)
    save(directory / "point_to_tokens_count.dat", distinct)
    save(directory / "deleted_points.dat", absent_mask(distinct))
    if field.scored:
        head = np.zeros(64, np.uint8)
        head[:24] = np.frombuffer(b"QDRANTDL" + np.array([1, 1, len(counts), 0], "<u4").tobytes(), np.uint8)
        save(directory / "term_frequencies.dat", frequencies)
        save(directory / "point_to_doc_len.dat", head, plane_frame(lengths))


def _write_flags(directory: Path, found: Collected, first: Array, second: Array) -> None:
    from edgeshard.storage.flags import Flags

    kind = schema.BOOL if directory.name.endswith("-bool") else schema.NULL
    made: list[Flags] = []
    for name, mask in zip(mutable.FLAG_NAMES[kind], (first, second), strict=True):
        flags = Flags.create(directory / name)
        flags.extend(len(mask))
        flags.set(np.flatnonzero(mask), True)
        made.append(flags)
    mutable.write_directly(made)


def write_starts(directory: Path, counts: list[Array], indexed: int) -> None:
    """``starts.zstd``: where the elements of each point start."""
    directory.mkdir(parents=True)
    steps = np.concatenate([np.zeros(1, np.uint32), *counts]).astype(np.uint32)
    head = np.zeros(32, np.uint8)
    head[:20] = np.frombuffer(b"QDRANTEM" + np.array([2, len(steps), indexed], "<u4").tobytes(), np.uint8)
    save(directory / "starts.zstd", head, plane_frame(steps))


def _indexed_points(found: Collected, kind: str) -> int:
    """How many points have an element with a value in the index of a kind; any value for the null index."""
    counts = np.concatenate(found.element_counts) if found.element_counts else np.zeros(0, np.uint32)
    owners = np.repeat(np.arange(len(counts)), counts)
    first, second = found.values(kind)
    filled = first if kind == schema.NULL else first | second if kind == schema.BOOL else first > 0
    return len(np.unique(owners[filled]))


_WRITERS: dict[str, Callable[[Path, Collected, Any, Any], None]] = {
    schema.KEYWORD: _write_keywords,
    schema.INT_MAP: _write_integers,
    schema.UUID_MAP: _write_uuids,
    schema.INT: write_numeric,
    schema.FLOAT: write_numeric,
    schema.DATETIME: write_numeric,
    schema.GEO: write_geo,
    schema.TEXT: _write_text,
    schema.BOOL: _write_flags,
    schema.NULL: _write_flags,
}
