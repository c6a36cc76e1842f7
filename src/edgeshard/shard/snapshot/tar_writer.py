"""Writing tar archives as a Qdrant server does: GNU headers, long names, sparse entries for files with holes.

Entries are *reserved* first, which fixes where everything goes, and filled in any order afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgeshard.errors import SnapshotError
from edgeshard.shard.snapshot.direct import ALIGNMENT, DirectWriter
from edgeshard.shard.snapshot.tar_format import (
    BLOCK,
    GNU_MAGIC,
    LONG_NAME,
    MORE_COUNT,
    SPARSE_COUNT,
    checksums,
    format_number,
    padded,
)
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files
from edgeshard.storage.mapping import extents

COPY_BYTES = 1 << 20
REPORT_BYTES = 8 << 20
END_BYTES = 2 * BLOCK
NAME_BYTES = 100

Stretch = tuple[int, int]
"""Offset and length of data in a file."""


class Content:
    """What an entry will hold: a size, and where in it there is data.

    Args:
        name: path in the archive; a directory's ends in a slash.
        size: apparent size in bytes.
        stretches: the data, None if all of it is.
    """

    __slots__ = ("name", "size", "stretches")

    def __init__(self, name: str, size: int, stretches: Sequence[Stretch] | None = None) -> None:
        self.name = name
        self.size = size
        self.stretches = stretches

    @property
    def stored_bytes(self) -> int:
        """Bytes of data in the archive."""
        return self.size if self.stretches is None else sum(length for _, length in self.stretches)

    @property
    def entry_bytes(self) -> int:
        """Bytes of the whole entry, headers and padding included."""
        return len(self.header()) + padded(self.stored_bytes)

    def header(self) -> bytes:
        """The blocks before the data."""
        kind = b"5" if self.name.endswith("/") else b"0" if self.stretches is None else b"S"
        blocks = b""
        name = self.name.encode()
        if len(name) > NAME_BYTES:
            data = name + b"\0"
            blocks = _block(LONG_NAME.encode(), b"L", len(data), b"") + data.ljust(padded(len(data)), b"\0")
        return blocks + self._own_header(name[:NAME_BYTES], kind)

    def _own_header(self, name: bytes, kind: bytes) -> bytes:
        if self.stretches is None:
            return _block(name, kind, self.stored_bytes, b"")
        fields = list(self.stretches)
        if not fields or sum(fields[-1]) < self.size:
            fields.append((self.size, 0))
        first, rest = fields[:SPARSE_COUNT], fields[SPARSE_COUNT:]
        more = b"\1" if rest else b"\0"
        tail = _numbers(first).ljust(24 * SPARSE_COUNT, b"\0") + more + format_number(self.size, 12)
        blocks = _block(name, kind, self.stored_bytes, tail)
        while rest:
            some, rest = rest[:MORE_COUNT], rest[MORE_COUNT:]
            block = _numbers(some).ljust(24 * MORE_COUNT, b"\0") + (b"\1" if rest else b"\0")
            blocks += block.ljust(BLOCK, b"\0")
        return blocks


class TarWriter:
    """An archive being written.

    Args:
        fd: an empty file, open for writing.
    """

    __slots__ = ("_fd", "position")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.position = 0

    def reserve(self, content: Content) -> int:
        """Write the header of an entry; where its data goes, for :meth:`fill`."""
        header = content.header()
        files.disk.pwrite(self._fd, header, self.position)
        place = self.position + len(header)
        self.position = place + padded(content.stored_bytes)
        return place

    def reserve_archive(self, name: str, contents: Iterable[Content]) -> list[int]:
        """The same for an archive inside the archive: where the data of each of its entries goes."""
        inner = list(contents)
        size = sum(content.entry_bytes for content in inner) + END_BYTES
        self.position = self.reserve(Content(name, size))
        places = [self.reserve(content) for content in inner]
        self.position += END_BYTES
        return places

    def fill(self, place: int, data: bytes) -> None:
        """Write the data of an entry."""
        files.disk.pwrite(self._fd, data, place)

    def fill_from(
        self,
        place: int,
        content: Content,
        fd: int,
        *,
        direct: DirectWriter | None = None,
        reached: Callable[[int], None] = lambda position: None,
    ) -> None:
        """Copy the data of an entry from a file.

        Args:
            place: where it goes.
            content: the entry.
            fd: the file.
            direct: the same archive, for what can go past the page cache.
            reached: hears now and then up to where everything is written.

        Raises:
            SnapshotError: the file became shorter.
        """
        for offset, length in content.stretches if content.stretches is not None else [(0, content.size)]:
            if direct is not None:
                head = min(-place % ALIGNMENT, length)
                done = head + direct.copy(fd, offset + head, place + head, length - head)
                self._copy(fd, offset, place, head, reached)
                place, offset, length = place + done, offset + done, length - done
            self._copy(fd, offset, place, length, reached)
            place += length

    def _copy(self, fd: int, offset: int, place: int, length: int, reached: Callable[[int], None]) -> None:
        told = place
        buffer = memoryview(bytearray(min(COPY_BYTES, length)))
        while length:
            pause()
            count = files.read_into(fd, buffer[: min(length, len(buffer))], offset)
            if not count:
                raise SnapshotError("a file became shorter while it was packed")
            files.disk.pwrite(self._fd, buffer[:count], place)
            place, offset, length = place + count, offset + count, length - count
            if place >= told + REPORT_BYTES:
                told = place
                reached(place)

    def end(self) -> None:
        """Write the end mark."""
        self.position += END_BYTES
        files.disk.truncate(self._fd, self.position)


def data_stretches(fd: int, size: int) -> list[Stretch] | None:
    """Where a file has data; None if all of it is, or the file system does not tell."""
    stretches = [(start, stop - start) for start, stop in extents(fd, size)]
    return None if stretches == [(0, size)] or not size else stretches


def _numbers(stretches: Iterable[Stretch]) -> bytes:
    return b"".join(format_number(offset, 12) + format_number(length, 12) for offset, length in stretches)


def _block(name: bytes, kind: bytes, size: int, sparse: bytes) -> bytes:
    mode = b"0000755\0" if kind == b"5" else b"0000644\0"
    head = name.ljust(100, b"\0") + mode + b"0000000\0" * 2 + format_number(size, 12) + format_number(0, 12)
    block = head + b" " * 8 + kind + bytes(100) + GNU_MAGIC
    block = block.ljust(386, b"\0") + sparse
    block = block.ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % checksums(block)[0] + block[156:]
