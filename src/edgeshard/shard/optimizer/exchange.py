"""What an optimisation does under the shard's lock: it freezes its inputs, and later puts the output in their place.

Everybody who reads or updates the shard waits meanwhile, so what can be written before is.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeshard._native import CallLock
from edgeshard.errors import StorageError
from edgeshard.index import kept_codes
from edgeshard.segment.config import write_version
from edgeshard.segment.files import create_segment, open_segment
from edgeshard.segment.segment import Segment
from edgeshard.shard.adding import add_segment, adopt_segment
from edgeshard.shard.directories import SEGMENTS
from edgeshard.shard.layout import new_segment_config
from edgeshard.shard.mending import bury, remove_graves
from edgeshard.shard.optimizer.build import write_out
from edgeshard.shard.optimizer.source import Source
from edgeshard.storage import files, generation
from edgeshard.storage.files import sync_tree
from edgeshard.storage.journal import sync_files

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


class OutdatedError(Exception):
    """The segments that are being replaced were opened anew meanwhile."""


class Exchange:
    """The exchange of some segments of a shard for one that is built of them.

    Args:
        store: the shard.
        lock: its lock; the methods take it.
        names: of the segments to replace.
        directory: where the new one is built.

    Attributes:
        inputs: the segments to replace, once they are frozen.
        target: where the new one goes.
    """

    def __init__(self, store: Store, lock: CallLock, names: Sequence[str], directory: Path) -> None:
        self.inputs: list[Segment] = []
        self.target = store.path / SEGMENTS / str(uuid.uuid4())
        self._store = store
        self._lock = lock
        self._names = names
        self._directory = directory
        self._frozen: list[tuple[Segment, bool]] = []
        self._spare: Segment | None = None
        self._reopenings = -1

    def lacks_spare(self) -> bool:
        """Whether no segment would take new points once the inputs are frozen."""
        store = self._store
        with self._lock.writing():
            store.mend()
            store.unseal()
            return not any(one.appendable and one.name not in self._names for one in store.segments)

    def make_spare(self, parent: Path) -> Path:
        """Write an empty segment for new points. Without the lock: the schema stays as it is meanwhile.

        Args:
            parent: the directory to put it in, where no load looks for segments.
        """
        store = self._store
        with self._lock.reading():
            schema = {field: stored for segment in store.segments for field, stored in segment.indexes.schema.items()}
            config = new_segment_config(store.config)
        files.disk.mkdir(parent)
        made = create_segment(parent, config, schema)
        made.close()
        return made.path

    def freeze(self, spare: Path | None) -> Source:
        """Let the inputs stand still: points in them are from now on changed by copy-on-write.

        Args:
            spare: what :meth:`make_spare` made, if it was asked to.
        """
        store = self._store
        with self._lock.writing():
            store.mend()
            self._reopenings = store.reopenings
            self.inputs = [segment for segment in store.segments if segment.name in self._names]
            store.unseal()
            store.flush()
            self._frozen = [(segment, segment.appendable) for segment in self.inputs]
            for segment in self.inputs:
                segment.appendable = False
            if not any(segment.appendable for segment in store.segments):
                self._spare = add_segment(store) if spare is None else adopt_segment(store, spare)
            return Source(self.inputs)

    def finish(self, source: Source) -> list[Path]:
        """Put the segment that was built in place of the inputs.

        Returns:
            What is to be removed.

        Raises:
            OutdatedError: an update failed half way meanwhile, and the segments were opened anew.
            StorageError: the disk refused.
        """
        store = self._store
        with self._lock.writing():
            store.mend()
            if store.reopenings != self._reopenings:
                raise OutdatedError
            try:
                store.flush(checkpoint=True)
                with generation.changing(store.path):
                    kept_codes.adopt(store.path, self._directory.name, self.target.name)
                    _swap(store, self.inputs, source, self._directory, self.target)
                    self._give_up(self.inputs)
                    return bury(store)
            except BaseException:
                self._settle()  # before anybody else sees both
                raise

    def undo(self) -> bool:
        """Leave the shard as it was; whether the segments were opened anew meanwhile."""
        store = self._store
        with self._lock.writing():
            outdated = self._reopenings not in (-1, store.reopenings)
            self._settle()
            self._give_up([])
            return outdated

    def _give_up(self, inputs: Sequence[Segment]) -> None:
        """Leave the directories of segments that were replaced to be buried; so that of the segment for new points, if
        none came and another one can take them."""
        store, spare = self._store, self._spare
        paths = [segment.path for segment in inputs]
        others = any(segment.appendable for segment in store.segments if segment is not spare)
        if spare is not None and spare in store.segments and not spare.count and spare.version < 0 and others:
            store.segments = [segment for segment in store.segments if segment is not spare]
            spare.close()
            paths.append(spare.path)
        store.leftovers += paths

    def _settle(self) -> None:
        """Leave either the inputs or the output of a task that was interrupted, never both: a point deleted in one
        would live on in the other."""
        store, target = self._store, self.target
        used = {segment.path for segment in store.segments}
        if target in used:
            gone = [segment.path for segment, _ in self._frozen]
        else:
            gone = [target]
            for segment, appendable in self._frozen:
                segment.appendable = appendable
        store.leftovers += [path for path in gone if path.is_dir() and path not in used and path not in store.leftovers]
        with suppress(StorageError):  # the next change of the shard tries again, and is refused until it succeeds
            remove_graves(bury(store))


def _swap(store: Store, inputs: Sequence[Segment], source: Source, directory: Path, path: Path) -> None:
    """Put the built segment, which is durable, in place of its inputs, at ``path``."""
    output = open_segment(directory, complete=False)
    gone = np.zeros(len(source), np.bool_)
    versions = np.zeros(len(source), np.uint64)
    for number, segment in enumerate(inputs):
        places = np.flatnonzero(source.number == number)
        dead = segment.ids.deleted_mask()[source.offset[places]]
        gone[places] = dead
        versions[places] = segment.ids.versions[source.offset[places]]
    offsets = np.flatnonzero(gone).astype(np.uint32)
    for version in np.unique(versions[offsets]).tolist():
        output.ids.delete(offsets[versions[offsets] == version], version)
    changed = write_out(output.ids)
    schema: dict[str, Any] = {}
    for segment in inputs:
        schema.update(segment.indexes.schema)
    output.indexes.adopt(schema)  # fields indexed or dropped meanwhile
    indexed = write_out(output.indexes)
    output.close()
    if indexed:
        sync_tree(directory)
    else:
        sync_files(changed)  # of hundreds of files: to sync one that has not changed waits for the disk, too
    files.disk.rename(directory, path)
    write_version(path)
    files.disk.sync_directory(path.parent)
    output = open_segment(path)
    store.segments = [segment for segment in store.segments if segment not in inputs] + [output]
    for segment in inputs:
        segment.close()
