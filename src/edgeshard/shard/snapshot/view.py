"""Bytes of an archive: pieces of a file, with holes between them.

An entry of a tar is a stretch of the file; a sparse entry is several; an archive inside an entry is made of such
entries again. A :class:`View` is any of these, so that nothing has to be copied out to be looked into.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from edgeshard.errors import SnapshotError

Piece = tuple[int, int, int]
"""Offset in the view, place in the file, length; all in bytes."""


class View:
    """A read-only sequence of bytes. Pieces are in order and do not overlap; between them are zeros.

    Args:
        fd: the file; the view does not own it.
        size: length in bytes.
        pieces: where the data is.
    """

    __slots__ = ("_lengths", "_offsets", "_places", "fd", "size")

    def __init__(self, fd: int, size: int, pieces: Iterable[Piece]) -> None:
        self.fd = fd
        self.size = size
        self._offsets, self._places, self._lengths = array("Q"), array("Q"), array("Q")
        for offset, place, length in pieces:
            if length:
                self._offsets.append(offset)
                self._places.append(place)
                self._lengths.append(length)

    @classmethod
    def of_file(cls, fd: int) -> View:
        """All of a file."""
        size = os.fstat(fd).st_size
        return cls(fd, size, [(0, 0, size)])

    @property
    def stored_bytes(self) -> int:
        """Bytes that are not holes."""
        return sum(self._lengths)

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        """The data between two offsets."""
        stop = self.size if stop is None else stop
        index = max(bisect_right(self._offsets, start) - 1, 0)
        while index < len(self._offsets) and self._offsets[index] < stop:
            offset = self._offsets[index]
            first, last = max(offset, start), min(offset + self._lengths[index], stop)
            if first < last:
                yield first, self._places[index] + first - offset, last - first
            index += 1

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of a stretch that lies inside the view.

        Raises:
            SnapshotError: the file is shorter than it was.
        """
        buffer = bytearray(length)
        for first, place, count in self.pieces(offset, offset + length):
            data = os.pread(self.fd, count, place)
            if len(data) != count:
                raise SnapshotError("the archive became shorter while it was read")
            buffer[first - offset : first - offset + count] = data
        return bytes(buffer)

    def part(self, offset: int, length: int) -> View:
        """A stretch that lies inside the view, as a view of its own."""
        pieces = ((first - offset, place, count) for first, place, count in self.pieces(offset, offset + length))
        return View(self.fd, length, pieces)

    def spread(self, pieces: Iterable[tuple[int, int]], size: int) -> View:
        """This view's bytes laid out with holes.

        Args:
            pieces: ``(offset, length)`` in the result of each stretch of this view, in order.
            size: length of the result.
        """

        def placed() -> Iterator[Piece]:
            position = 0
            for offset, length in pieces:
                for first, place, count in self.pieces(position, position + length):
                    yield offset + first - position, place, count
                position += length

        return View(self.fd, size, placed())
