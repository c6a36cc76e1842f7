"""Operations that fail half way: taken back, or finished if they are durable already.

An update changes memory only until the next flush. One that fails half way, of a full disk or Ctrl-C, is taken back by
dropping its record from the log and opening the segments anew: the files, the journal and the rest of the log say what
the shard was before. A change of the schema flushes; where that had made it durable before something failed, dropping
the record would bring nothing back, and its number must not be given out again: so it is finished.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshard.errors import StorageError
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.files import open_segment
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs
from edgeshard.shard.directories import SEGMENTS, bury_segment, resolve_duplicates, segment_names
from edgeshard.shard.layout import schema_of_config
from edgeshard.shard.replay import replay
from edgeshard.shard.schema_changes import change_schema
from edgeshard.shard.snapshot.take_back import take_back
from edgeshard.shard.undisturbed import undisturbed
from edgeshard.storage import files

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

KEPT = -1
"""In place of the number of an operation: it is durable, only memory has to follow."""


def carry_out_schema_change(store: Store, operation: UpdateOperation) -> None:
    """Log and apply a change of the schema.

    Raises:
        ValidationError: it contradicts what the shard stores; nothing changed.
        StorageError: the disk refused; nothing changed.
    """
    number = store.next_op
    try:
        change_schema(store, operation)
    except BaseException as error:
        if store.next_op == number:
            raise
        if store.checkpointer.journalled < number:
            undo(store, number)
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise StorageError(error.errno, f"cannot change {store.path}: {error.strerror}") from error
            raise
        undo(store, KEPT)
        if store.doomed is not None or not isinstance(error, OSError):
            raise
        warnings.warn(f"{store.path}: the change was made, but then: {error}", RuntimeWarning, stacklevel=4)


def undo(store: Store, number: int) -> None:
    """Take back an operation that failed half way: drop its record and rebuild the segments without it.

    If that is refused too, by a full disk for instance, the next call tries again (see :func:`mend`).
    """
    store.doomed = number
    try:
        mend(store)
    except (StorageError, OSError) as error:
        warnings.warn(f"{store.path} cannot be read until there is room: {error}", RuntimeWarning, stacklevel=4)


def mend(store: Store) -> None:
    """Rebuild the segments from the disk and the log after an operation failed half way.

    Raises:
        StorageError: the disk refused; the shard can neither be read nor written until this succeeds.
    """
    if store.doomed is not None:
        number = store.doomed
        undisturbed(lambda: _mend(store, number))


def _mend(store: Store, number: int) -> None:
    try:
        if not store.lock.in_place:
            raise StorageError(f"cannot restore {store.path}: it was moved, removed or replaced while it was open")
        if store.half_swapped:
            take_back(store.path, store.lock)
            store.half_swapped = False
        if number != KEPT:
            store.drop(number)
        store.checkpointer.redo()
        _reopen(store)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot restore {store.path}: {error.strerror}") from error
    store.doomed = None


def _reopen(store: Store) -> None:
    """Open the segments anew; those open so far stay as they are for who still reads them."""
    before, config = store.segments, store.config
    fresh: list[Segment] = []
    try:
        directories = [store.path / SEGMENTS / name for name in segment_names(store.path)]
        fresh += [open_segment(path) for path in directories if path not in store.leftovers]
        resolve_duplicates(fresh)
        stored = configs.read_config(store.path)
        store.config = configs.merge_config(None, stored, [segment.config for segment in fresh])
        store.schema = schema_of_config(store.config)
        store.segments = fresh
        store.reopenings += 1
        replay(store)
    except BaseException:
        store.segments, store.config, store.schema = before, config, schema_of_config(config)
        raise


def bury(store: Store) -> list[Path]:
    """Rename what is left of segments that have been replaced, durably: until then a load would find both.

    Returns:
        What is to be removed.

    Raises:
        StorageError: the disk refused.
    """
    graves = []
    while store.leftovers:
        path = store.leftovers[0]
        try:
            if path.is_dir():
                graves.append(bury_segment(path))
            else:  # renamed, but that was not synced
                files.disk.sync_directory(path.parent)
        except OSError as error:
            text = f"cannot put {path} aside, which has been replaced: {error.strerror}"
            raise StorageError(error.errno, text) from error
        store.checkpointer.sums.forget_below(path)
        del store.leftovers[0]
    return graves


def remove_graves(graves: list[Path]) -> None:
    """Remove what was buried; what cannot be removed now is by the next load."""
    with suppress(OSError):
        for grave in graves:
            files.disk.remove_tree(grave)
