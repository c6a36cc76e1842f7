"""How much memory the byte codes of all open shards of a process may take together.

Codes are derived from vectors when searches pay for them (:mod:`edgeshard.index.flat`, the graphs of segments). Where
they do not fit, searches read the vectors instead: slower, with the same answers. Lists of links laid out for walks
count as well, and so do quantized codes and links that a configuration wants in memory, which are never refused.
"""

from __future__ import annotations

import os
import threading
import weakref

from edgeshard.models.options import options

SHARE_OF_MEMORY = 4
"""Without a setting, codes may take one part in so many of the machine's memory."""


class Holder:
    """An owner of memory that is counted apart from what the object that has it reserves."""

    __slots__ = ("__weakref__",)


class CodesBudget:
    """Who holds how many bytes of codes; what is collected no longer counts."""

    def __init__(self) -> None:
        self._held: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()  # a signal handler may search another shard in the middle of this

    @property
    def held_bytes(self) -> int:
        """Bytes of all codes."""
        return self._of_others(None)

    def reserve(self, owner: object, size_bytes: int) -> bool:
        """Count codes that are about to be built; False if there is no room for them."""
        limit = options.codes_limit_bytes
        if limit is None:
            limit = memory_bytes() // SHARE_OF_MEMORY
        with self._lock:
            if self._of_others(owner) + size_bytes > limit:
                return False
            self._held[owner] = size_bytes
            return True

    def hold(self, owner: object, size_bytes: int) -> None:
        """Count codes that are in memory because a configuration asks for it, however many there are."""
        with self._lock:
            self._held[owner] = size_bytes

    def _of_others(self, owner: object) -> int:
        holders = [ref() for ref in self._held.keyrefs()]
        with self._lock:
            return sum(self._held.get(holder, 0) for holder in holders if holder is not None and holder is not owner)

    def release(self, owner: object) -> None:
        """Forget codes that were given up."""
        with self._lock:
            self._held.pop(owner, None)


def coded_bytes(rows: int, dim: int, *, nibbles: bool = False) -> int:
    """Memory the codes of some rows take: bytes padded to whole registers, and three numbers a row.

    Args:
        rows: how many.
        dim: elements of each.
        nibbles: half-byte codes included.
    """
    size = _padded(dim) + 12
    return rows * (size + _padded(-(-dim // 2)) + 16 if nibbles else size)


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // 32) * 32


def memory_bytes() -> int:
    """Memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


BUDGET = CodesBudget()
"""The one of this process."""
