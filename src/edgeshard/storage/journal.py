"""The redo journal: what makes a flush atomic and ordered under power loss.

File ``edgeshard.journal`` in the shard's root, ignored by other engines. Little endian::

    file    = header record*
    header  = "EDGEJRN2" (8 bytes), sequence u32 of the first record that counts, crc32 u32 of those 12 bytes
    record  = length u64, crc32 u32 (zlib, of the body), sequence u32, body (MessagePack)
    body    = {"segments": {name: [crc of segment.json before, .., after]},
               "sizes": {path: file size}, "writes": [[path, offset, bytes]..],
               "replacements": {path: bytes}, "removals": [path..]}

Paths are relative to the shard. A flush appends one record and syncs it before it changes a file in place, so a
crash at any point leaves either no trace of the flush or a record that finishes it. Records are re-applied in order
at load; writing the same bytes twice is harmless. Once every file it names is synced the journal is emptied by its
header, which is in one sector: what a truncation that was half done leaves of older records does not count.

Another engine that changed the shard in between does not know the journal. It rewrites ``segment.json`` when it
flushes, so records count only if each segment's ``segment.json`` is one the journal has seen, also on the way (see
:mod:`~edgeshard.storage.in_place`), or is no JSON at all: other engines sync that file before they rename it, so one
with holes is ours, half written when the power went.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.in_place import contents

NAME = "edgeshard.journal"
MAGIC = b"EDGEJRN2"
OLD_MAGIC = b"EDGEJRN1"
"""Of builds before the first release, whose records had no number to start at."""
HEADER_BYTES = 16
RECORD = struct.Struct("<QII")
SEGMENT_FILE = "segment.json"
_MAX_FILE_BYTES = 2**63 - 1
_SEARCH_BYTES = 1 << 30
"""Checksummed at most, looking for records behind one that is damaged."""


class Record(TypedDict):
    """What one flush changes; see the module."""

    segments: dict[str, list[int]]
    sizes: dict[str, int]
    writes: list[tuple[str, int, bytes]]
    replacements: dict[str, bytes]
    removals: list[str]


class Journal:
    """The open redo journal of one shard.

    Args:
        root: the shard's directory.
    """

    __slots__ = ("_fd", "_sequence", "path", "root", "size")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / NAME
        self._fd = -1
        self._sequence = 0
        self.size = 0

    def append(self, plan: FlushPlan) -> None:
        """Make the in-place changes of a plan durable; they may be applied to the files afterwards.

        Raises:
            StorageError: the disk refused; the journal is as it was.
        """
        body = msgspec.msgpack.encode(self._describe(plan))
        record = RECORD.pack(len(body), zlib.crc32(body), self._sequence) + body
        before = self.size
        try:
            if self.size < HEADER_BYTES:
                self._create()
                before = self.size
            files.disk.pwrite(self._fd, record, before)
            files.disk.sync(self._fd)
        except OSError as error:
            self._take_back(before)
            raise StorageError(error.errno, f"cannot write {self.path}: {error.strerror}") from error
        self.size = before + len(record)
        self._sequence += 1

    def _take_back(self, size: int) -> None:
        """Remove what a failed append wrote; if even that fails the next record is written over it."""
        if self._fd >= 0:
            try:
                files.disk.truncate(self._fd, size)
            except OSError as error:
                warnings.warn(f"cannot shorten {self.path}: {error.strerror}", RuntimeWarning, stacklevel=4)

    @property
    def empty(self) -> bool:
        """Whether no record may still be needed."""
        return self.size <= HEADER_BYTES

    def reset(self) -> None:
        """Empty the journal: every file it names is synced."""
        if self._fd >= 0 and not self.empty:
            files.disk.pwrite(self._fd, header(self._sequence), 0)
            self.size = HEADER_BYTES  # the header disowns what follows, whenever it reaches the disk
            files.disk.sync(self._fd)
            files.disk.truncate(self._fd, HEADER_BYTES)  # whether this reaches the disk does not matter

    def redo(self) -> set[Path]:
        """Apply all records again and return the files they change, which are not synced."""
        touched: set[Path] = set()
        if self._fd >= 0:
            for record in _records(self.path, self.path.read_bytes()[: self.size]):
                touched |= _apply(self.root, record)
        return touched

    def close(self, *, remove: bool) -> None:
        """Close the file, if there is one; ``remove`` it when nothing in it is needed any more."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if remove:
            files.disk.unlink(self.path)

    def become(self, path: Path) -> int:
        """Give the file another name, to hold something else behind its header: making a new one takes much longer.

        Whichever of name and content a power loss keeps, under its old name it is an empty journal.

        Args:
            path: the name; what has it is replaced.

        Returns:
            The file's descriptor, which the caller closes; -1 if there is no file, or what it holds is needed.
        """
        fd = self._fd
        if fd < 0 or not self.empty:
            return -1
        files.disk.rename(self.path, path)
        self._fd, self.size = -1, 0
        return fd

    def __del__(self) -> None:
        """A shard that was dropped by an interruption leaves no descriptor behind."""
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    def _create(self) -> None:
        if self._fd < 0:
            self._fd = files.disk.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        files.disk.pwrite(self._fd, header(self._sequence), 0)
        files.disk.sync(self._fd)
        files.disk.sync_directory(self.root)
        self.size = HEADER_BYTES

    def _relative(self, path: Path) -> str:
        """The name of a file in records. Paths are compared as text: a flush names a hundred files or more."""
        inside, name = os.fspath(self.root) + os.sep, os.fspath(path)
        if not name.startswith(inside):
            raise ValueError(f"{name} is not in {self.root}")
        return name[len(inside) :].replace(os.sep, "/")

    def _describe(self, plan: FlushPlan) -> dict[str, Any]:
        touched = {path: self._relative(path) for path in dict.fromkeys(path for path, _, _ in plan.changes)}
        writes = [[touched[path], offset, bytes(view)] for path, offset, view in plan.changes]
        replacements = {self._relative(path): data for path, data in plan.replacements.items()}
        sizes = {}
        for path, name in touched.items():
            with suppress(FileNotFoundError):  # it is made by what is written to it
                sizes[name] = os.stat(path).st_size
        names = {"/".join(name.split("/")[:2]) for name in [*sizes, *replacements] if name.startswith("segments/")}
        segments = {}
        for name in names:
            file = f"{name}/{SEGMENT_FILE}"
            segments[name] = _crcs_of(self.root / file, replacements.get(file))
        removals = [self._relative(path) for path in plan.removals]
        return {"segments": segments, "sizes": sizes, "writes": writes,
                "replacements": replacements, "removals": removals}  # fmt: skip


def header(first: int) -> bytes:
    """The header of a journal whose first record that counts has this number."""
    start = MAGIC + first.to_bytes(4, "little")
    return start + zlib.crc32(start).to_bytes(4, "little")


def recover(root: Path) -> int:
    """Finish what the journal of a shard describes, make it durable, and remove the journal.

    Returns:
        How many records were applied.

    Raises:
        CorruptedError: the journal is damaged.
        StorageError: the disk refused; the journal is kept for the next attempt.
    """
    path = root / NAME
    if not path.exists():
        return 0
    try:
        return _recover(root, path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot finish what {path} holds: {error.strerror}") from error


def _recover(root: Path, path: Path) -> int:
    records = list(_records(path, path.read_bytes()))
    if not _trustworthy(root, records):
        warnings.warn(
            f"{path} belongs to a state of the shard that another program has changed since; it is set aside",
            RuntimeWarning,
            stacklevel=2,
        )
        files.disk.rename(path, path.with_suffix(".stale"))
        return 0
    touched: set[Path] = set()
    for record in records:
        touched |= _apply(root, record)
    sync_files(touched)
    files.disk.unlink(path)
    files.disk.sync_directory(root)
    return len(records)


def names(root: Path) -> set[str]:
    """The files that the journal of a shard changes, relative to the shard."""
    path = root / NAME
    return {entry[0] for record in _records(path, path.read_bytes()) for entry in record["writes"]}


def _records(path: Path, data: bytes) -> Iterator[Record]:
    """The whole records of a journal; a torn tail ends them.

    Raises:
        CorruptedError: the header is damaged or of an old build, a record is although a whole one follows, or it
            names what no flush changes.
    """
    if not any(data[:HEADER_BYTES]):  # the power went while it was made
        return
    first = int.from_bytes(data[len(MAGIC) : HEADER_BYTES - 4], "little")
    if data[:HEADER_BYTES] != header(first):
        if header(0).startswith(data):
            return
        if data.startswith(OLD_MAGIC):
            raise CorruptedError(
                path,
                "the journal is of a build before the first release: open and close the shard with that build, "
                "or let EdgeShard.repair() set the journal aside, which loses the flush it describes",
                0,
            )
        raise CorruptedError(path, "the header of the journal is damaged", 0)
    position, expected = HEADER_BYTES, first
    while position + RECORD.size <= len(data):
        body = _body(data, position, expected)
        length = RECORD.unpack_from(data, position)[0]
        following = position + RECORD.size + length
        if body is None:
            if _holds(data, position, expected + 1):
                raise CorruptedError(path, f"record {expected} of the journal is damaged", position)
            return
        try:
            record = msgspec.msgpack.decode(body, type=Record)
        except ValueError as error:
            raise CorruptedError(path, f"record {expected} of the journal cannot be read: {error}", position) from error
        if reason := _impossible(record):
            raise CorruptedError(path, f"record {expected} of the journal {reason}", position)
        yield record
        position, expected = following, expected + 1


def _impossible(record: Record) -> str | None:
    """What no flush writes into a record, if there is such a thing."""
    for name in (*record["segments"], *_targets(record)):
        if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
            return f"names {name!r}"
    for name, offset, data in record["writes"]:
        if not 0 <= offset <= _MAX_FILE_BYTES - len(data):
            return f"writes at byte {offset} of {name!r}"
    for name, size in record["sizes"].items():
        if not 0 <= size <= _MAX_FILE_BYTES:
            return f"gives {name!r} {size} bytes"
    return None


def _targets(record: Record) -> Iterator[str]:
    """The files that a record changes."""
    yield from (name for name, _, _ in record["writes"])
    yield from record["replacements"]
    yield from record["removals"]


def _body(data: bytes, position: int, expected: int) -> bytes | None:
    """The body of the record at a position, None if there is none with that sequence number and a right checksum."""
    if position + RECORD.size > len(data):
        return None
    length, crc, sequence = RECORD.unpack_from(data, position)
    start = position + RECORD.size
    if sequence != expected or not 0 < length <= len(data) - start:
        return None  # zeroes, which a write that was lost leaves, have the checksum of an empty body
    body = data[start : start + length]
    return body if zlib.crc32(body) == crc else None


def _holds(data: bytes, position: int, number: int) -> bool:
    """Whether a whole record with that number lies anywhere behind one whose length may be damaged."""
    left = _SEARCH_BYTES  # what looks like the head of a record may be anything
    at = data.find(number.to_bytes(4, "little"), position + RECORD.size)
    while at >= 0 and left > 0:
        start = at + 4 - RECORD.size
        if _body(data, start, number) is not None:
            return True
        left -= 1000 + min(RECORD.unpack_from(data, start)[0], len(data))
        at = data.find(number.to_bytes(4, "little"), at + 1)
    return False


def _trustworthy(root: Path, records: list[Record]) -> bool:
    known: dict[str, set[int]] = {}
    for record in records:
        for name, states in record["segments"].items():
            known.setdefault(name, set()).update(states)
    return all(
        not (root / name).is_dir() or _crc_of_file(file) in states or not _is_json(file)
        for name, states in known.items()
        for file in [root / name / SEGMENT_FILE]
    )


def _is_json(path: Path) -> bool:
    """Whether a file holds a whole JSON value."""
    try:
        files.parse_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def _apply(root: Path, record: Record) -> set[Path]:
    """Apply one record; a file of a segment that is gone altogether is passed over.

    Raises:
        CorruptedError: it leads out of the shard; nothing was changed.
    """
    _require_inside(root, record)
    touched = set()
    for name, offset, data in record["writes"]:
        path = root / name
        if not path.parent.is_dir():
            continue
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size < record["sizes"].get(name, 0):
                files.disk.truncate(fd, record["sizes"][name])
            files.disk.pwrite(fd, data, offset)
        finally:
            os.close(fd)
        touched.add(path)
    for name, data in record["replacements"].items():
        if (root / name).parent.is_dir():
            files.replace_file(root / name, data)
    for name in record["removals"]:
        files.disk.unlink(root / name)
    return touched


def _require_inside(root: Path, record: Record) -> None:
    """Refuse a record that symbolic links lead out of the shard: a shard from elsewhere may bring both.

    A file that is replaced or removed may be a link, as in the copies of readers: the link goes, not what it leads to.
    """
    real, known = root.resolve(), set()
    written = {name for name, _, _ in record["writes"]}
    for name in _targets(record):
        path = root / name
        if path.parent not in known and not path.parent.resolve().is_relative_to(real):
            raise CorruptedError(root / NAME, f"it changes {name!r}, which a symbolic link leads out of the shard")
        known.add(path.parent)
        if name in written and path.is_symlink():
            raise CorruptedError(root / NAME, f"it writes to {name!r}, which is a symbolic link")


def sync_files(paths: set[Path]) -> None:
    """Make the content and the names of files durable; a file that is gone meanwhile is passed over."""
    for path in sorted(paths):
        try:
            fd = files.disk.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            files.disk.sync(fd)
        finally:
            os.close(fd)
    for directory in sorted({path.parent for path in paths}):
        if directory.is_dir():
            files.disk.sync_directory(directory)


def _crcs_of(path: Path, after: bytes | None) -> list[int]:
    """CRC-32 of each content that a file has while a flush changes it, -1 if it is missing before."""
    if after is None:
        return [_crc_of_file(path)]
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return [-1, zlib.crc32(after)]
    return [zlib.crc32(content) for content in contents(before, after)]


def _crc_of_file(path: Path) -> int:
    """CRC-32 of a file, -1 if it is missing."""
    try:
        return zlib.crc32(path.read_bytes())
    except FileNotFoundError:
        return -1
