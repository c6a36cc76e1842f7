"""What an archive may hold at most, and how a refusal is worded."""

from __future__ import annotations

import os

from edgeshard.errors import SnapshotError
from edgeshard.models.base import boolean, f64, u64


class SnapshotLimits:
    """What an archive may ask for before it is refused.

    Args:
        entries: tar headers, inner archives included.
        total_bytes: apparent size of everything, holes included.
        free_space_ratio: apparent size in multiples of the free space of the target's file system. The bytes that
            are really stored must fit once, whatever this says.
        depth: components of a path inside the archive.
        sparse_pieces: stretches of data in all sparse entries together.
        require_end: refuse an archive that has neither an end mark nor the entry ``shard_config.json``, with which
            every archive of a server closes: it was cut off between two entries.
        require_segments: refuse to unpack an archive with a segment that lacks files or cannot be opened. Without this
            such a shard can be unpacked to be repaired; applying it to another is refused all the same.
    """

    __slots__ = (
        "depth",
        "entries",
        "free_space_ratio",
        "require_end",
        "require_segments",
        "sparse_pieces",
        "total_bytes",
    )

    def __init__(
        self,
        *,
        entries: int = 50_000,
        total_bytes: int = 1 << 40,
        free_space_ratio: float = 4.0,
        depth: int = 16,
        sparse_pieces: int = 200_000,
        require_end: bool = True,
        require_segments: bool = True,
    ) -> None:
        self.entries: int = u64(entries, "entries")
        self.total_bytes: int = u64(total_bytes, "total_bytes")
        self.free_space_ratio: float = f64(free_space_ratio, "free_space_ratio")
        self.depth: int = u64(depth, "depth")
        self.sparse_pieces: int = u64(sparse_pieces, "sparse_pieces")
        self.require_end: bool = boolean(require_end, "require_end")
        self.require_segments: bool = boolean(require_segments, "require_segments")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in sorted(self.__slots__))
        return f"SnapshotLimits({fields})"


class Budget:
    """What is left of the limits while an archive is read.

    Args:
        limits: where it starts.
    """

    __slots__ = ("_bytes", "_entries", "_pieces", "limits")

    def __init__(self, limits: SnapshotLimits) -> None:
        self.limits = limits
        self._entries = 0
        self._bytes = 0
        self._pieces = 0

    def take_entry(self, name: str) -> None:
        """Count a header.

        Raises:
            SnapshotError: there are too many.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            raise refusal(
                name, f"more than {self.limits.entries} entries: raise SnapshotLimits.entries if this is real"
            )

    def take_bytes(self, name: str, size: int) -> None:
        """Count the apparent size of an entry.

        Raises:
            SnapshotError: the sum is too large.
        """
        self._bytes += size
        if self._bytes > self.limits.total_bytes:
            raise refusal(
                name,
                f"the archive expands to more than {self.limits.total_bytes} bytes: "
                "raise SnapshotLimits.total_bytes if this is real",
            )

    def take_pieces(self, name: str, count: int) -> None:
        """Count the pieces of a sparse entry.

        Raises:
            SnapshotError: there are too many.
        """
        self._pieces += count
        if self._pieces > self.limits.sparse_pieces:
            raise refusal(name, f"more than {self.limits.sparse_pieces} pieces of sparse data in the archive")

    def check_space(self, directory: str | os.PathLike[str], stored_bytes: int) -> None:
        """Compare what was counted with the free space where it is to go.

        Raises:
            SnapshotError: it does not fit.
        """
        status = os.statvfs(directory)
        free = status.f_bavail * status.f_frsize
        if stored_bytes > free:
            raise SnapshotError(f"the archive needs {stored_bytes} bytes, {directory} has {free} free: make room")
        if self._bytes > free * self.limits.free_space_ratio:
            raise SnapshotError(
                f"the archive expands to {self._bytes} bytes, more than {self.limits.free_space_ratio} times "
                f"the {free} free in {directory}: make room, or raise SnapshotLimits.free_space_ratio"
            )


def refusal(entry: str, rule: str, kind: type[SnapshotError] = SnapshotError) -> SnapshotError:
    """The error for an archive that is refused because of one entry."""
    return kind(f"failed to unpack {entry!r}: {rule}")
