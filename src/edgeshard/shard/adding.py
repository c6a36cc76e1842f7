"""Segments that an open shard gets: appendable ones, for what is written from now on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshard.errors import StorageError
from edgeshard.segment.files import create_segment, open_segment
from edgeshard.segment.segment import Segment
from edgeshard.shard.directories import SEGMENTS
from edgeshard.shard.layout import new_segment_config
from edgeshard.storage import files

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


def add_segment(store: Store) -> Segment:
    """A new appendable segment with the payload indexes of the others.

    Raises:
        StorageError: the disk refused; nothing changed.
    """
    store.unseal()
    schema: dict[str, Any] = {}
    for segment in store.segments:
        schema.update(segment.indexes.schema)
    segment = create_segment(store.path / SEGMENTS, new_segment_config(store.config), schema)
    store.segments = [*store.segments, segment]
    return segment


def adopt_segment(store: Store, made: Path) -> Segment:
    """Take in a new appendable segment that was made in another directory of the shard.

    Args:
        store: the shard.
        made: the directory of the segment, which is moved.

    Raises:
        StorageError: the disk refused; the shard goes on without it.
    """
    store.unseal()
    path = store.path / SEGMENTS / made.name
    try:
        files.disk.rename(made, path)
        files.disk.sync_directory(path.parent)
        segment = open_segment(path)
    except OSError as error:
        if path.is_dir():
            store.leftovers.append(path)
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot add a segment to {store.path}: {error.strerror}") from error
    store.segments = [*store.segments, segment]
    return segment
