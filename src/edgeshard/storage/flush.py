"""What one flush writes, collected from every storage before the first byte goes out.

Storages describe their changes to a :class:`FlushPlan`; the shard decides when and how they reach the disk. Nothing
is written while the plan is being collected.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


class FlushPlan:
    """The writes of one flush.

    Attributes:
        blank: files that nothing has been written to since they were made of zeroes.
        fresh: ``(path, offset, bytes)`` of places nothing durable refers to yet; written first, without a journal.
        changes: ``(path, offset, bytes)`` of changes in place, applied only after they are in the journal.
        replacements: ``path -> bytes`` of whole files replaced atomically.
        removals: files that go away (a store's own journal, for instance).
    """

    __slots__ = ("_done", "blank", "changes", "fresh", "removals", "replacements")

    def __init__(self) -> None:
        self.blank: set[Path] = set()
        self.fresh: list[tuple[Path, int, Bytes]] = []
        self.changes: list[tuple[Path, int, Bytes]] = []
        self.replacements: dict[Path, bytes] = {}
        self.removals: list[Path] = []
        self._done: list[Callable[[], None]] = []

    def write(self, path: Path, offset: int, data: bytes | Bytes, *, fresh: bool = False) -> None:
        """Write ``data`` at ``offset`` of an existing file, which grows if it must.

        The bytes are used when the plan is executed: they must not change until then.
        """
        view = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
        (self.fresh if fresh else self.changes).append((path, offset, view))

    def replace(self, path: Path, data: bytes) -> None:
        """Replace a whole file (or create it)."""
        self.replacements[path] = data

    def remove(self, path: Path) -> None:
        """Remove a file once everything else is durable."""
        self.removals.append(path)

    def on_done(self, callback: Callable[[], None]) -> None:
        """Call back once every write of the plan is in its file."""
        self._done.append(callback)

    def done(self) -> None:
        """Tell every storage that its writes are in the files."""
        for callback in self._done:
            callback()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.fresh or self.changes or self.replacements or self.removals)

    @property
    def size_bytes(self) -> int:
        """Bytes the plan writes."""
        placed = sum(view.nbytes for _, _, view in self.fresh) + sum(view.nbytes for _, _, view in self.changes)
        return placed + sum(map(len, self.replacements.values()))
