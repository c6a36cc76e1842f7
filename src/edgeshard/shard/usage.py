"""What the files of a shard take on the disk, by what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeshard.errors import StorageError
from edgeshard.shard.directories import SEGMENTS, absent, directory_path, holds_shard
from edgeshard.storage.files import DAMAGED, PathLike

IN_SEGMENTS = (
    ("vector_storage", "vectors"),
    ("vector_index", "vector indexes"),
    ("payload_storage", "payloads"),
    ("payload_index", "payload indexes"),
    ("id_tracker", "ids"),
    ("mutable_id_tracker", "ids"),
)
IN_ROOT = (
    ("wal", "log"),
    ("edgeshard.journal", "log"),
    ("edgeshard.codes", "codes for searches"),
    (DAMAGED, "damaged"),
)
QUANTIZED, OTHER = "quantized vectors", "other"


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What a kind of file takes.

    Attributes:
        kind: what the files hold, such as ``"vectors"`` or ``"payload indexes"``.
        files: how many there are.
        size_bytes: the sum of their lengths. Files that grow in steps have room that takes nothing yet.
        disk_bytes: what the file system has given them.
    """

    kind: str
    files: int
    size_bytes: int
    disk_bytes: int


def disk_usage(path: PathLike) -> list[DiskUsage]:
    """What a shard takes on the disk, by kind of file, the largest first; the shard may be open.

    Args:
        path: the directory of the shard.

    Raises:
        StorageError: there is no shard.
    """
    root = directory_path(path)
    if not root.is_dir():
        raise StorageError(f"cannot measure: {absent(root)}")
    if not holds_shard(root):
        raise StorageError(f"cannot measure: {root} holds no shard")
    sums: dict[str, list[int]] = {}
    for kind, status in _files(root):
        total = sums.setdefault(kind, [0, 0, 0])
        for place, number in enumerate((1, status.st_size, status.st_blocks * 512)):
            total[place] += number
    return sorted((DiskUsage(kind, *total) for kind, total in sums.items()), key=lambda usage: -usage.disk_bytes)


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Kind and status of every file; one that is removed meanwhile is passed over."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                yield _kind(path.relative_to(root).parts), path.lstat()
            except FileNotFoundError:
                continue


def _kind(parts: tuple[str, ...]) -> str:
    """What a file holds, from its path in the shard."""
    in_segment = parts[0] == SEGMENTS and len(parts) > 2
    if in_segment and parts[2].startswith("vector_storage") and any(part.startswith("quantized") for part in parts[3:]):
        return QUANTIZED
    place, kinds = (parts[2], IN_SEGMENTS) if in_segment else (parts[0], IN_ROOT)
    return next((kind for start, kind in kinds if place.startswith(start)), OTHER)
