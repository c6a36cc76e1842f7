"""Looking for damage to posting lists that checksums do not cover: lists that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeshard.index.payload.text import TextIndex
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField


def damaged_lists(segment: Segment) -> Iterator[tuple[Path, str]]:
    """Directories of sparse and of text indexes with a damaged list, and what is wrong with it."""
    for field in segment.fields.values():
        if isinstance(field, SparseField) and field.packed is not None:
            damage = field.damage()
            if damage is not None:
                yield field.packed, str(damage)
    for path in segment.indexes.schema:
        index = segment.indexes.get(path)
        if isinstance(index, TextIndex) and index.directory is not None:
            reason = index.damage()
            if reason is not None:
                yield index.directory, reason
