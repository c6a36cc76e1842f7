"""Appendable payload indexes: gridstores and flags with one slot per point, rewritten where payloads change.

Nothing is read from them: filters work on payload columns. They are kept so that every
engine finds them right.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgeshard import _native
from edgeshard.index.payload import schema
from edgeshard.index.payload.schema import FieldSchema, TextOptions
from edgeshard.index.payload.values import FACT_FILLED, FACT_NULL, Array, Extracted, Offsets, Packed
from edgeshard.storage.flags import Flags
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.runs import bounds_of

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan
    from edgeshard.text.tokenizer import TokenBatch, Tokenizer

_GRIDS = {
    schema.KEYWORD: (4 << 20, 16),
    schema.INT_MAP: (2 << 20, 8),
    schema.UUID_MAP: (4 << 20, 16),
    schema.INT: (2 << 20, 8),
    schema.FLOAT: (2 << 20, 8),
    schema.DATETIME: (2 << 20, 8),
    schema.GEO: (4 << 20, 16),
    schema.TEXT: (32 << 20, 128),
}
"""Bytes of a page and of a block by kind."""

SORTED_UNIQUE, IN_ORDER, IN_ORDER_SEPARATED = range(3)


class MutableIndex(Protocol):
    """One index of an appendable segment, open for writing."""

    def put(self, slots: Offsets, found: Extracted) -> None:
        """Set what the index holds of some points (or elements) to what was found in them."""

    def remove(self, slots: Offsets) -> None:
        """Forget points (or elements)."""

    def collect(self, plan: FlushPlan) -> None:
        """Hand changes to a flush."""

    def close(self) -> None:
        """Release files; unflushed changes are lost."""


class GridIndex:
    """An index whose values lie in a gridstore. Made by :func:`create_index` or :func:`open_index`."""

    __slots__ = ("_field", "_kind", "_store", "_tokenizer")

    def __init__(self, store: Gridstore, field: FieldSchema, kind: str) -> None:
        self._store = store
        self._field = field
        self._kind = kind
        self._tokenizer: Tokenizer | None = None

    def put(self, slots: Offsets, found: Extracted) -> None:
        """See :class:`MutableIndex`."""
        counts, values = found.values(self._kind)
        filled = counts > 0
        if bool(filled.any()):
            self._store.replace_batch(slots[filled], self._pack(values, counts[filled], found))
        if not bool(filled.all()):
            self._store.remove_batch(slots[~filled])

    def _pack(self, values: Array, counts: Offsets, found: Extracted) -> Packed:
        if self._kind == schema.KEYWORD:
            return _native.pack_keywords(found.strings, values, counts)
        if self._kind == schema.TEXT:
            return self._pack_tokens(values, counts, found)
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        return data, bounds_of(counts) * (values.itemsize * (values.shape[1] if values.ndim > 1 else 1))

    def _pack_tokens(self, codes: Array, counts: Offsets, found: Extracted) -> Packed:
        if self._tokenizer is None:
            self._tokenizer = tokenizer_of(self._field)
        batch = found_tokens(self._tokenizer, found.strings, phrases=self._field.phrases)
        form = IN_ORDER_SEPARATED if self._field.phrases else IN_ORDER if self._field.scored else SORTED_UNIQUE
        return _native.pack_tokens(*batch, codes - np.uint32(1), counts, form, self._field.scored)

    def remove(self, slots: Offsets) -> None:
        """See :class:`MutableIndex`."""
        self._store.remove_batch(slots)

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`MutableIndex`."""
        self._store.collect(plan)

    def close(self) -> None:
        """See :class:`MutableIndex`."""
        self._store.close()


class FlagIndex:
    """An index of two sets of flags: true and false values, or points with values and with nulls."""

    __slots__ = ("_flags", "_kind")

    def __init__(self, flags: tuple[Flags, Flags], kind: str) -> None:
        self._flags = flags
        self._kind = kind

    @property
    def count(self) -> int:
        """Flags in either set: one more than the highest point (or element) it has been told of."""
        return max(flags.count for flags in self._flags)

    def put(self, slots: Offsets, found: Extracted) -> None:
        """See :class:`MutableIndex`."""
        for flags, mask in zip(self._flags, flags_of(found, self._kind), strict=True):
            flags.set(slots, mask)

    def remove(self, slots: Offsets) -> None:
        """See :class:`MutableIndex`."""
        for flags in self._flags:
            flags.set(slots, False)

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`MutableIndex`."""
        for flags in self._flags:
            flags.collect(plan)

    def close(self) -> None:
        """See :class:`MutableIndex`."""
        for flags in self._flags:
            flags.close()


FLAG_NAMES = {schema.BOOL: ("trues", "falses"), schema.NULL: ("has_values", "is_null")}


def flags_of(found: Extracted, kind: str) -> tuple[Array, Array]:
    """The two flags of each document."""
    if kind == schema.NULL:
        return (found.facts & FACT_FILLED) != 0, (found.facts & FACT_NULL) != 0
    from edgeshard.index.payload.values import values_of

    places, values = values_of(found, kind)
    owners = found.owners[places]
    flags = np.zeros((2, len(found.counts)), np.bool_)
    flags[0, owners[values]] = True
    flags[1, owners[~values]] = True
    return flags[0], flags[1]


def tokenizer_of(field: FieldSchema) -> Tokenizer:
    """The tokenizer of a text index."""
    from edgeshard.text.tokenizer import Tokenizer

    return Tokenizer(TextOptions(field.options))


def found_tokens(tokenizer: Tokenizer, strings: _native.ColumnStrings, *, phrases: bool) -> TokenBatch:
    """The tokens of numbered strings: those of code c are at place c - 1."""
    every = np.arange(1, len(strings) + 1, dtype=np.uint32)
    return document_tokens(tokenizer, _native.string_texts(strings, every), phrases=phrases)


def document_tokens(tokenizer: Tokenizer, texts: list[str], *, phrases: bool) -> TokenBatch:
    """The tokens of stored texts in the order an index keeps them.

    Of code these are the parts of all identifiers first, then the whole identifiers; where phrases are compared each of
    the latter stands alone between ``"\\0"``.
    """
    if tokenizer.kind != "Code":
        return tokenizer.batch(texts)
    vocabulary: dict[str, int] = {}
    numbers, bounds = [], [0]
    for text in texts:
        tokens = _code_tokens(tokenizer, text, phrases)
        numbers += [vocabulary.setdefault(token, len(vocabulary)) for token in tokens]
        bounds.append(len(numbers))
    from edgeshard.text.tokenizer import TokenBatch

    return TokenBatch(list(vocabulary), np.array(numbers, np.uint32), np.array(bounds, np.int64))


def _code_tokens(tokenizer: Tokenizer, text: str, phrases: bool) -> list[str]:
    parts = tokenizer.tokens_phrase(text)
    tokens, whole = list(parts), []
    place = 0
    for token in tokenizer.tokens_document(text):
        if place < len(parts) and token == parts[place]:
            place += 1
        else:
            whole.append(token)
    for token in whole:
        tokens += ["\0", token] if phrases else [token]
    return tokens


def create_index(directory: Path, field: FieldSchema, kind: str) -> MutableIndex:
    """A new, empty index in a new directory.

    Raises:
        StorageError: the file system refused.
    """
    if kind in FLAG_NAMES:
        first, second = FLAG_NAMES[kind]
        return FlagIndex((Flags.create(directory / first), Flags.create(directory / second)), kind)
    page, block = _GRIDS[kind]
    return GridIndex(Gridstore.create(directory, page, block, "None"), field, kind)


def open_index(directory: Path, field: FieldSchema, kind: str) -> MutableIndex:
    """An existing index, open for writing.

    Raises:
        CorruptedError: a file is missing or damaged.
    """
    if kind in FLAG_NAMES:
        first, second = FLAG_NAMES[kind]
        return FlagIndex((Flags.open(directory / first), Flags.open(directory / second)), kind)
    return GridIndex(Gridstore.open(directory), field, kind)


def required_files(directory: Path, kind: str, *, appendable: bool) -> list[Path]:
    """Files without which an index cannot be opened."""
    if kind in FLAG_NAMES:
        return [directory / name / file for name in FLAG_NAMES[kind] for file in ("status.dat", "flags_a.dat")]
    if appendable:
        return [directory / name for name in ("config.json", "tracker.dat", "page_0.dat")]
    return [directory / name for name in _IMMUTABLE_FILES[schema.SUFFIXES[kind] if kind != schema.GEO else kind]]


_IMMUTABLE_FILES: dict[str, tuple[str, ...]] = {
    "map": ("mmap_field_index_config.json", "values_to_points.bin", "point_to_values.bin", "deleted.bin"),
    "numeric": (
        "mmap_field_index_config.json", "data.bin", "histogram_config.json", "histogram_borders.bin",
        "point_to_values.bin", "deleted.bin",
    ),
    schema.GEO: (
        "mmap_field_index_stats.json", "points_map.bin", "points_map_ids.bin", "counts_per_hash.bin",
        "point_to_values.bin", "deleted.bin",
    ),
    "text": ("postings.dat", "vocab.dat", "point_to_tokens_count.dat", "deleted_points.dat"),
}  # fmt: skip


def write_directly(indexes: list[Any]) -> None:
    """Write what indexes hold in memory straight to their files, which nobody uses yet, and close them."""
    from edgeshard.storage.checkpoint import replace_unsynced, write_ranges
    from edgeshard.storage.flush import FlushPlan

    plan = FlushPlan()
    for index in indexes:
        index.collect(plan)
    write_ranges(plan.fresh + plan.changes)
    for path, data in plan.replacements.items():
        replace_unsynced(path, data)
    for path in plan.removals:
        path.unlink(missing_ok=True)
    plan.done()
    for index in indexes:
        index.close()
