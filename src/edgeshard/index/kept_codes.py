"""Codes that searches derive from vectors, kept in files so that the next load need not derive them again.

They lie in ``edgeshard.codes/<segment>/<vector storage>.<kind>`` in the shard's root, which other engines and snapshots
pass over. Such a file is never the truth: it counts only if its checksums are right and it was made of the rows that
are there now, and is otherwise left aside and written again. So nothing here is synced, and a file that a crash cut
short, or that belongs to a segment that has been replaced, does no harm. Files are mapped read-only: the system may
take their pages back at any time.

Format, little endian: ``EDGECODE``, u32 version, u32 size of the header, u32 CRC-32C of the header; the header as
MessagePack (:class:`_Header`); sections, each at a multiple of 4096 bytes.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError, StorageError
from edgeshard.models.options import options
from edgeshard.storage import files
from edgeshard.storage.overlay import PrivateFile

NAME = "edgeshard.codes"
MAGIC, VERSION = b"EDGECODE", 1
PAGE_BYTES = 4096
SAMPLED_ROWS = 64
"""So many rows, evenly spread, tell whether codes are of the rows that are there."""
PART_BYTES, PARTS = 1 << 20, 64
"""Checksums are compared in so many parts at most, of so many bytes at least."""
_HUGE_PAGE_BYTES, _CACHE_LINE_BYTES = 2 << 20, 64
Bytes = npt.NDArray[np.uint8]
Chunks = Sequence[npt.NDArray[Any]]
_HEAD = struct.Struct("<8sIII")


class Source(msgspec.Struct, frozen=True, array_like=True):
    """What codes were made of."""

    rows: int
    row_bytes: int
    sample: int
    """CRC-32C of some rows."""


class _Section(msgspec.Struct, frozen=True, array_like=True):
    name: str
    offset: int
    size: int
    crc: int


class _Header(msgspec.Struct, frozen=True):
    kind: str
    layout: int
    source: Source
    sections: list[_Section]


class Shelf:
    """Where the codes of one vector name in one segment are kept.

    Args:
        directory: ``edgeshard.codes/<segment>``, made when something is kept.
        name: of the vector storage's directory.
        writable: whether codes may be added.
    """

    __slots__ = ("_found", "_opened", "directory", "name", "writable")

    def __init__(self, directory: Path, name: str, *, writable: bool) -> None:
        self.directory = directory
        self.name = name
        self.writable = writable
        self._found: dict[str, bool] = {}
        self._opened: dict[str, KeptFile] = {}

    def holds(self, kind: str) -> bool:
        """Whether there is a file of that kind, sound or not; asked of the disk once."""
        found = self._found.get(kind)
        if found is None:
            found = self._found[kind] = options.keep_codes and self._path(kind).exists()
        return found

    def check_some(self, kind: str, parts: int = 1) -> bool:
        """Compare a part of the checksums of kept codes; whether :meth:`take` has nothing more to compare.

        The whole file at once would keep the first search after a load waiting: it is read from the disk for it.

        Args:
            kind: of codes.
            parts: how many of at most :data:`PARTS`.
        """
        if not self.holds(kind):
            return True
        try:
            file = self._opened.get(kind)
            if file is None:
                file = self._opened[kind] = KeptFile(self._path(kind))
            return file.check(parts * max(PART_BYTES, file.size_bytes // PARTS))
        except (CorruptedError, StorageError):
            self._opened.pop(kind, None)
            self._found[kind] = False
            return True

    def take(self, kind: str, layout: int, chunks: Chunks) -> dict[str, Bytes] | None:
        """The sections of kept codes, mapped; None if there are none, or none that can be used.

        Args:
            kind: of codes.
            layout: version of what the sections hold.
            chunks: the rows they must have been made of.
        """
        if not self.holds(kind):
            return None
        try:
            file = self._opened.pop(kind, None) or KeptFile(self._path(kind))
            file.check()
        except (CorruptedError, StorageError):  # whoever asks makes them anew
            self._found[kind] = False
            return None
        header = file.header
        if (header.kind, header.layout, header.source) != (kind, layout, source_of(chunks)):
            self._found[kind] = False
            return None
        return file.sections()

    def put(
        self,
        kind: str,
        layout: int,
        chunks: Chunks,
        sections: Mapping[str, npt.NDArray[Any]],
        release: Callable[[], None] | None = None,
    ) -> None:
        """Keep codes; a disk that refuses is told once and not asked again.

        Args:
            kind: of codes.
            layout: version of what the sections hold.
            chunks: the rows they are of.
            sections: their arrays.
            release: see :func:`source_of`.
        """
        if not self.writable or not options.keep_codes:
            return
        try:
            write(self._path(kind), kind, layout, source_of(chunks, release), sections)
        except OSError as error:
            self.writable = False
            warnings.warn(f"codes are not kept in {self.directory}: {error}", RuntimeWarning, stacklevel=3)
            return
        self._found[kind] = True

    def _path(self, kind: str) -> Path:
        return self.directory / f"{self.name}.{kind}"


def in_memory(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of a section for searches that go on: a large one lies on huge pages where the system grants them.

    The pages of a mapped file are small, so that scattered reads wait for the table of pages as well: searches of
    30,000 rows take 5 to 13 % longer.
    """
    size = array.nbytes
    unit = _HUGE_PAGE_BYTES if size >= 2 * _HUGE_PAGE_BYTES else _CACHE_LINE_BYTES
    room = np.empty(size + unit, np.uint8)  # NumPy asks for huge pages from 4 MiB on
    start = -room.ctypes.data % unit
    copy: npt.NDArray[Any] = room[start : start + size].view(array.dtype)
    copy[:] = array
    return copy


def source_of(chunks: Chunks, release: Callable[[], None] | None = None) -> Source:
    """What tells these rows from others.

    Args:
        chunks: ``(rows, elements)`` each, consecutive.
        release: called after every row that is looked at. The system may map megabytes around each: for those who do
            not read the rows otherwise, this gives them back.
    """
    rows = sum(map(len, chunks))
    crc, start = 0, 0
    wanted = np.unique(np.linspace(0, max(rows - 1, 0), min(SAMPLED_ROWS, rows)).astype(np.int64))
    for chunk in chunks:
        for row in wanted[(wanted >= start) & (wanted < start + len(chunk))] - start:
            crc = _native.crc32c(np.ascontiguousarray(chunk[row]).view(np.uint8).reshape(-1), crc)
            if release is not None:
                release()
        start += len(chunk)
    row_bytes = chunks[0].shape[1] * chunks[0].dtype.itemsize if chunks else 0
    return Source(rows, row_bytes, crc)


def write(path: Path, kind: str, layout: int, source: Source, sections: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a file of codes under a temporary name and rename it into place.

    Raises:
        OSError: the disk refused; there is no file, or the one there was.
    """
    flat = {name: array.reshape(-1).view(np.uint8) for name, array in sections.items()}
    sums = {name: _native.crc32c(array) for name, array in flat.items()}

    def header(start: int) -> bytes:
        listed = []
        for name, array in flat.items():
            listed.append(_Section(name, start, array.nbytes, sums[name]))
            start += -(-array.nbytes // PAGE_BYTES) * PAGE_BYTES
        return msgspec.msgpack.encode(_Header(kind, layout, source, listed))

    room = -(-(_HEAD.size + len(header(1 << 40)) + 8 * len(flat)) // PAGE_BYTES) * PAGE_BYTES
    body = header(room)
    head = _HEAD.pack(MAGIC, VERSION, len(body), _native.crc32c(body)) + body
    draft = path.with_name(f"{files.TEMPORARY_PREFIX}{files.random_suffix()}")
    files.disk.mkdir(path.parent)
    try:
        fd = files.disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            files.disk.pwrite(fd, head, 0)
            at = room
            for array in flat.values():
                files.disk.pwrite(fd, array.data, at)
                at += -(-array.nbytes // PAGE_BYTES) * PAGE_BYTES
        finally:
            os.close(fd)
        files.disk.rename(draft, path)
    except BaseException:
        files.disk.unlink(draft)
        raise


class KeptFile:
    """A file of codes, mapped; :meth:`check` compares its checksums, at once or a part at a time.

    Args:
        path: of the file.

    Attributes:
        header: what it says of itself; its checksum has been compared.

    Raises:
        CorruptedError: it is damaged, or of a version that is not ours.
        StorageError: it cannot be read.
    """

    __slots__ = ("_checked", "_crc", "_data", "_path", "_section", "header")

    def __init__(self, path: Path) -> None:
        self._path, self._data = path, PrivateFile(path, read_only=True).array
        self.header = self._read_header()
        self._section = self._checked = self._crc = 0

    def _read_header(self) -> _Header:
        data, path = self._data, self._path
        if len(data) < _HEAD.size:
            raise CorruptedError(path, f"{len(data)} bytes are no file of codes", len(data))
        magic, version, size, crc = _HEAD.unpack(data[: _HEAD.size].tobytes())
        if magic != MAGIC or version != VERSION:
            raise CorruptedError(path, "not a file of codes of this version", 0)
        body = data[_HEAD.size : _HEAD.size + size].tobytes()
        if len(body) != size or _native.crc32c(body) != crc:
            raise CorruptedError(path, "the checksum of its header is wrong", _HEAD.size)
        try:
            header = msgspec.msgpack.decode(body, type=_Header)
        except ValueError as error:
            raise CorruptedError(path, f"its header cannot be read: {error}", _HEAD.size) from error
        for section in header.sections:
            inside = not section.size or 0 < section.size <= len(data) - section.offset
            if section.offset % PAGE_BYTES or section.offset < 0 or not inside:
                raise CorruptedError(
                    path, f"the checksum of {section.name!r} is wrong: it is not in the file", section.offset
                )
        return header

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return len(self._data)

    def check(self, limit_bytes: int | None = None) -> bool:
        """Compare checksums; whether all of them have been compared.

        Args:
            limit_bytes: how much to read before stopping; the next call goes on from there. None for all.

        Raises:
            CorruptedError: one is wrong.
        """
        left = len(self._data) if limit_bytes is None else limit_bytes
        while self._section < len(self.header.sections):
            section = self.header.sections[self._section]
            start = section.offset + self._checked
            part = self._data[start : start + min(left, section.size - self._checked)]
            self._crc = _native.crc32c(part, self._crc)
            self._checked += len(part)
            left -= len(part)
            if self._checked < section.size:
                return False
            if self._crc != section.crc:
                raise CorruptedError(self._path, f"the checksum of {section.name!r} is wrong", section.offset)
            self._section, self._checked, self._crc = self._section + 1, 0, 0
        return True

    def sections(self) -> dict[str, Bytes]:
        """The sections by name, for those who have checked them."""
        return {one.name: self._data[one.offset : one.offset + one.size] for one in self.header.sections}


def read(path: Path) -> tuple[_Header, dict[str, Bytes]]:
    """A file of codes, mapped, every checksum compared.

    Raises:
        CorruptedError: it is damaged, or of a version that is not ours.
        StorageError: it cannot be read.
    """
    file = KeptFile(path)
    file.check()
    return file.header, file.sections()


def remove(root: Path, segment: str) -> None:
    """Forget the codes of a segment that is gone."""
    files.disk.remove_tree(root / NAME / segment)


def adopt(root: Path, builder: str, segment: str) -> None:
    """Give the codes kept for a segment that was being built the name it has now."""
    if (root / NAME / builder).is_dir():
        files.disk.rename(root / NAME / builder, root / NAME / segment)


def clean_up(root: Path, segments: Iterable[str]) -> None:
    """Remove codes of segments that are not there, and drafts."""
    if not (root / NAME).is_dir():
        return
    known = set(segments)
    for entry in os.scandir(root / NAME):
        if entry.name not in known:
            files.disk.remove_tree(entry.path) if entry.is_dir() else files.disk.unlink(entry.path)
            continue
        for draft in Path(entry.path).glob(f"{files.TEMPORARY_PREFIX}*"):
            files.disk.unlink(draft)


def damaged(root: Path) -> Iterator[tuple[Path, str]]:
    """Files of codes that cannot be used, and why."""
    for path in sorted((root / NAME).glob("*/*")):
        if path.name.startswith(files.TEMPORARY_PREFIX):
            continue
        try:
            read(path)
        except (CorruptedError, StorageError) as error:
            yield path, str(error)
