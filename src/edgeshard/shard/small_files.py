"""Small files that tell only what others tell too: written anew where a checksum says that the result is right.

A count of rows or flags (``status.dat``) is found by trying counts; settings of a storage (``config.json``) stand in
another storage of the shard, or in a new segment of the same configuration. Without a checksum nothing is guessed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeshard import _native
from edgeshard.errors import EdgeShardError
from edgeshard.segment.config import read_segment_config
from edgeshard.segment.files import create_segment
from edgeshard.shard.directories import SEGMENTS
from edgeshard.storage import checksums, files

SMALL_BYTES = 4096
"""Larger files are not looked for."""
COUNTS = 1 << 22
"""Counts that are tried."""


def written_anew(root: Path, name: str, table: dict[str, checksums.Entry]) -> bool:
    """Write a damaged or missing file of a shard as it was.

    Args:
        root: the shard.
        name: of the file, relative.
        table: of checksums when the shard was closed.

    Returns:
        Whether there are bytes with its checksum; if not, nothing was changed.

    Raises:
        StorageError: the disk refused.
    """
    wanted = table[name][:3]
    if wanted[0] > SMALL_BYTES or not (root / name).parent.is_dir():
        return False
    for data in _candidates(root, name, table):
        kept = data.rstrip(b"\0")
        if (len(data), len(kept), _native.crc32c(kept)) == wanted:
            files.replace_file(root / name, data)
            return True
    return False


def _candidates(root: Path, name: str, table: dict[str, checksums.Entry]) -> Iterator[bytes]:
    size, used, crc, _ = table[name]
    if name.endswith("/status.dat"):
        if size in (8, 16) and used <= size:
            yield from _counts(size, used, crc)
        return
    if name.endswith("/config.json"):
        last = name.rpartition("/")[2]
        for other, entry in table.items():
            if other != name and entry[:3] == (size, used, crc) and other.endswith(f"/{last}"):
                yield _bytes(root / other)
        yield from _of_new_segment(root, name)


def _counts(size: int, used: int, crc: int) -> Iterator[bytes]:
    """Files of a count, and of a count and a zero or one, which have the checksum."""
    tails = [b""] if size == 8 else [bytes(8), (1).to_bytes(8, "little")]
    for tail in tails:
        for count in range(COUNTS):
            data = count.to_bytes(8, "little") + tail
            if _native.crc32c(data[:used]) == crc:
                yield data


def _bytes(path: Path) -> bytes:
    try:
        return files.read_file(path, limit_bytes=SMALL_BYTES)
    except EdgeShardError:
        return b""


def _of_new_segment(root: Path, name: str) -> Iterator[bytes]:
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != SEGMENTS:
        return
    with tempfile.TemporaryDirectory(prefix="edgeshard-new-") as scratch:
        try:
            made = create_segment(Path(scratch), read_segment_config(root / SEGMENTS / parts[1]), {})
        except EdgeShardError:
            return
        try:
            yield _bytes(made.path.joinpath(*parts[2:]))
        finally:
            made.close()
