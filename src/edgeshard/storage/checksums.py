"""Checksums of a closed shard's files, in a side file that other engines ignore.

File ``edgeshard.checksums`` in the shard's root: CRC-32C u32 little endian of the rest, then MessagePack
``{"seal": text, "files": {path: [size, used, crc, mtime_ns]}}``. ``crc`` covers the bytes up to the last that is not
zero, ``used`` of them, so that holes cost nothing. Before all of that there may be the header of a journal: the file
was one until the shard was closed.

The table is written when a shard is closed and removed, durably, before the first change after a load. It counts only
if ``edge_config.json`` carries the same seal: another engine drops that key whenever it opens the shard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

import msgspec

from edgeshard import _native
from edgeshard.storage import files, journal
from edgeshard.storage.journal import Journal
from edgeshard.storage.mapping import extents
from edgeshard.storage.running_sums import RunningSums

NAME = "edgeshard.checksums"
FAST_BYTES = 1 << 20
"""``fast`` reads files with up to this many bytes; of larger ones it compares the size."""
_BLOCK = 1 << 16
"""Read at a time: what stays in the cache between the copy and the checksum."""
_SMALL_BYTES = 1 << 15
"""Read whole, holes and all: that is sooner done than asking for them."""
IGNORED = ("bitmask.dat", "gaps.dat")
"""Names of files that have no checksum: they are computed again whenever they are opened, and damage does no harm."""

Level = Literal["fast", "full"]
Entry: TypeAlias = tuple[int, int, int, int]
"""Size, bytes up to the last that is not zero, their CRC-32C, modification time in nanoseconds."""


class _Table(TypedDict):
    seal: str
    files: dict[str, Entry]


def read(root: Path, seal: str | None) -> dict[str, Entry]:
    """The table of a shard; empty if there is none, or another engine has opened the shard since it was written."""
    path = root / NAME
    if seal is None or not path.exists():
        return {}
    data = files.read_file(path)
    if data.startswith(journal.MAGIC):
        data = data[journal.HEADER_BYTES :]
    if len(data) < 4 or int.from_bytes(data[:4], "little") != _native.crc32c(data[4:]):
        return {}
    try:
        table = msgspec.msgpack.decode(data[4:], type=_Table)
    except ValueError:  # the checksum of the table is right: it is of a version that is not ours
        return {}
    if table["seal"] != seal:
        return {}
    return {name: entry for name, entry in table["files"].items() if name.rpartition("/")[2] not in IGNORED}


def table_of(root: Path, names: Iterable[str], known: dict[str, Entry], sums: RunningSums) -> dict[str, Entry]:
    """What is to be kept of the named files.

    Args:
        root: the shard.
        names: relative to the shard, without those called as in :data:`IGNORED`.
        known: of an earlier table; counts for files that have not been modified.
        sums: what was summed while it was written; other files are read.
    """
    table: dict[str, Entry] = {}
    base = os.fspath(root)  # text joins faster than paths do, and this is part of each close
    buffer = bytearray()  # filled by the first file that needs it
    for name in names:
        path = f"{base}/{name}"
        old = known.get(name)
        if old is not None:
            stat = os.stat(path)
            if (old[0], old[3]) == (stat.st_size, stat.st_mtime_ns):
                table[name] = old
                continue
        summed = sums.entry(path)
        table[name] = entry_of(path, buffer) if summed is None else summed
    return table


def write(root: Path, seal: str, table: dict[str, Entry], emptied: Journal | None = None) -> None:
    """Write the table of a shard; it is not synced: one that is torn does not count.

    Args:
        root: the shard.
        seal: see the module.
        table: see :func:`table_of`.
        emptied: a journal that is not needed any more; its file is used, if there is one.
    """
    body = msgspec.msgpack.encode({"seal": seal, "files": table})
    path, start = root / NAME, journal.HEADER_BYTES
    fd = -1 if emptied is None else emptied.become(path)
    if fd < 0:
        fd, start = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 0
    try:
        files.disk.pwrite(fd, _native.crc32c(body).to_bytes(4, "little") + body, start)
    finally:
        os.close(fd)


def remove(root: Path) -> None:
    """Remove the table, durably: from now on files change."""
    if (root / NAME).exists():
        files.disk.unlink(root / NAME)
        files.disk.sync_directory(root)


def differences(
    root: Path, table: dict[str, Entry], level: Level, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[str, str]]:
    """``(path, what is wrong)`` of every file that is not as the table says.

    Args:
        root: the shard.
        table: see :func:`read`.
        level: which files are read.
        progress: called with how many bytes of how many are compared.
    """
    done, total = 0, sum(used for _, used, _, _ in table.values())
    base = os.fspath(root)  # a shard with payload indexes has some hundred files: see write()
    buffer = bytearray()
    for name, (size, used, crc, _) in table.items():
        path = f"{base}/{name}"
        try:
            found = os.stat(path).st_size
        except FileNotFoundError:
            yield name, "the file is missing"
            continue
        if found != size:
            yield name, f"the file has {found} bytes, {size} when it was closed"
        elif (level == "full" or used <= FAST_BYTES) and entry_of(path, buffer)[:3] != (size, used, crc):
            yield name, "its checksum is not that of the file that was closed"
        done += used
        if progress is not None:
            progress(done, total)


def entry_of(path: files.PathLike, buffer: bytearray) -> Entry:
    """What the table says of a file, which is read through the buffer; holes are not read."""
    crc = used = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(fd)
        size = status.st_size
        if size <= _SMALL_BYTES:
            used, crc = _native.extend_crc32c(os.pread(fd, size, 0), 0, 0)
            return size, used, crc, status.st_mtime_ns
        for start, stop in extents(fd, size):
            if not buffer:
                buffer.extend(bytes(_BLOCK))
            view = memoryview(buffer)
            for at in range(start, stop, len(view)):
                count = files.read_into(fd, view[: stop - at], at)
                count, crc = _native.extend_crc32c(view[:count], at - used, crc)
                used = at + count if count else used
    finally:
        os.close(fd)
    return size, used, crc, status.st_mtime_ns


def is_derived(name: str) -> bool:
    """Whether a file of a shard can be rebuilt from others, with its directory: it is of an index."""
    parts = name.split("/")
    if len(parts) < 5 or parts[0] != "segments":
        return len(parts) == 4 and parts[2].startswith("vector_index")
    return parts[2] == "payload_index" or parts[2].startswith("vector_index")
