"""Bit sets on disk: deletion marks beside a file of vectors or ids, and the stored bitmask.

Bit i is byte ``i // 8``, bit ``i % 8`` counted from the least significant. ``docs/format/flags.md`` describes
the files. In memory a set is a mask, one ``bool`` per position.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, ReadOnlyError
from edgeshard.storage import files, roaring
from edgeshard.storage.few import highest
from edgeshard.storage.gridstore_build import write_new
from edgeshard.storage.runs import consecutive

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

Mask: TypeAlias = "npt.NDArray[np.bool_]"
Offsets: TypeAlias = "npt.NDArray[np.integer]"

DROP: Final = b"drop\0\0\0\0"
"""Header of the ``deleted.dat`` beside a ``matrix.dat``; an ``id_tracker.deleted`` has none."""

_WORD: Final = 64  # bits; what is written at once, and what file lengths are a multiple of
_QBMK: Final = struct.Struct("<4sIQIIQ")
_RAW, _ONES, _ZEROS = range(3)


def packed_size(count: int) -> int:
    """Bytes of ``count`` bits, in whole words of 8 bytes."""
    return -(-count // _WORD) * 8


def pack_bits(mask: Mask) -> bytes:
    """The bits of a mask, padded with zeros to whole words."""
    return np.packbits(mask, bitorder="little").tobytes().ljust(packed_size(len(mask)), b"\0")


def unpack_bits(data: bytes | memoryview, count: int) -> Mask:
    """The first ``count`` bits, which ``data`` must hold."""
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little").view(np.bool_)


class ChangingMask:
    """A mask that knows which of its words have changed, and grows as it is set.

    Args:
        bits: the mask at the start; copied if it cannot be changed.
    """

    __slots__ = ("_bits", "_changed", "count")

    def __init__(self, bits: Mask) -> None:
        self.count = len(bits)
        self._bits = np.zeros(max(_WORD, packed_size(self.count) * 8), np.bool_)
        self._bits[: self.count] = bits
        self._changed = np.zeros(len(self._bits) // _WORD, np.bool_)

    def view(self, count: int) -> Mask:
        """``(count,) bool``, read-only; positions past :attr:`count` are False.

        It shows later changes, until setting a position past what there is room for moves the mask.
        """
        self._make_room(count)
        view = self._bits[:count]
        view.flags.writeable = False
        return view

    def pick(self, offsets: Offsets) -> Mask:
        """``(n,) bool``: which of some positions are set."""
        try:
            picked: Mask = self._bits[offsets]
        except IndexError:  # some lie beyond what there is room for
            picked = self.view(int(offsets.max()) + 1)[offsets]
        return picked

    def set(self, offsets: Offsets, value: bool | Mask) -> None:
        """Set positions, growing as needed; only bits that differ count as changes."""
        offsets = np.atleast_1d(np.asarray(offsets))
        if not len(offsets):
            return
        self.extend(highest(offsets) + 1)
        at = offsets.astype(np.intp)  # numpy would convert them for every use
        differs = self._bits[at] != value
        self._bits[at] = value
        self._changed[at[differs] // _WORD] = True

    def holds(self, offset: int) -> bool:
        """Whether one position is set."""
        return offset < self.count and bool(self._bits[offset])

    def set_one(self, offset: int, value: bool) -> None:
        """:meth:`set` for one position."""
        self.extend(offset + 1)
        if self._bits[offset] != value:
            self._bits[offset] = value
            self._changed[offset // _WORD] = True

    def extend(self, count: int) -> None:
        """Make the mask at least ``count`` long; new positions are False."""
        if count > self.count:
            self._make_room(count)
            # Written even when no flag is set: bytes past the end of a file's count need not be zero.
            self._changed[self.count // _WORD : -(-count // _WORD)] = True
            self.count = count

    def _make_room(self, count: int) -> None:
        if count <= len(self._bits):
            return
        room = max(packed_size(count) * 8, 2 * len(self._bits))
        bits, changed = np.zeros(room, np.bool_), np.zeros(room // _WORD, np.bool_)
        bits[: len(self._bits)] = self._bits
        changed[: len(self._changed)] = self._changed
        self._bits, self._changed = bits, changed

    @property
    def dirty_bytes(self) -> int:
        """Bytes of the words that have changed."""
        return int(np.count_nonzero(self._changed)) * 8

    def changes(self) -> list[tuple[int, bytes]]:
        """``(byte offset, bytes)`` of every run of words that has changed."""
        runs = consecutive(np.flatnonzero(self._changed))
        return [(first * 8, pack_bits(self._bits[first * _WORD : (first + count) * _WORD])) for first, count in runs]

    def clean(self) -> None:
        """Forget what has changed: it is in the file."""
        self._changed[:] = False


class BitFile:
    """A file of bits of fixed length, changed in memory and written at the next flush.

    Args:
        path: the file.
        bits: its content.
        header: bytes before the bits.
        read_only: refuse changes.
        missing: there is no such file yet; the first flush with a change makes it.
    """

    __slots__ = ("_bits", "_missing", "header", "path", "read_only")

    def __init__(
        self, path: Path, bits: Mask, header: bytes, *, read_only: bool = False, missing: bool = False
    ) -> None:
        self.path = path
        self.header = header
        self.read_only = read_only
        self._bits = ChangingMask(bits)
        self._missing = missing

    @classmethod
    def create(cls, path: files.PathLike, bits: Mask, header: bytes = b"", *, durable: bool = False) -> BitFile:
        """Write a file holding ``bits`` and open it."""
        write_new(Path(path), header + pack_bits(bits), 0, durable)
        return cls(Path(path), bits, header)

    @classmethod
    def open(
        cls,
        path: files.PathLike,
        count: int,
        header: bytes = b"",
        *,
        read_only: bool = False,
        missing_ok: bool = False,
    ) -> BitFile:
        """The file of ``count`` bits at ``path``.

        Args:
            path: the file.
            count: how many bits it holds.
            header: what it starts with, :data:`DROP` or nothing.
            read_only: refuse changes.
            missing_ok: a missing file means that no bit is set.

        Raises:
            CorruptedError: it is missing, too short or starts otherwise.
        """
        path = Path(path)
        if missing_ok and not path.exists():
            return cls(path, np.zeros(count, np.bool_), header, read_only=read_only, missing=True)
        data = files.read_file(path)
        if not data.startswith(header):
            raise CorruptedError(path, f"expected to start with {header!r}, got {data[: len(header)]!r}", 0)
        if len(data) < len(header) + packed_size(count):
            expected = len(header) + packed_size(count)
            raise CorruptedError(path, f"{len(data)} bytes, expected {expected} for {count} positions")
        if int.from_bytes(data[len(header) + count // 8 :], "little") >> count % 8:
            raise CorruptedError(path, f"positions beyond the last of {count} are set")
        return cls(path, unpack_bits(memoryview(data)[len(header) :], count), header, read_only=read_only)

    @property
    def count(self) -> int:
        """Number of bits."""
        return self._bits.count

    @property
    def mask(self) -> Mask:
        """``(count,) bool``, read-only; it shows later changes."""
        return self._bits.view(self.count)

    @property
    def dirty_bytes(self) -> int:
        """Bytes the next flush writes."""
        return self._bits.dirty_bytes

    def set(self, offsets: Offsets, value: bool | Mask) -> None:
        """Set bits, which must be in the file.

        Raises:
            ReadOnlyError: the file was opened for reading.
            IndexError: a position past the end.
        """
        if self.read_only:
            raise ReadOnlyError(f"{self.path} is open for reading only")
        offsets = np.atleast_1d(np.asarray(offsets))
        if len(offsets) and not 0 <= int(offsets.min()) <= int(offsets.max()) < self.count:
            raise IndexError(f"positions must be in 0..{self.count - 1}, got up to {int(offsets.max())}")
        self._bits.set(offsets, value)

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed words to a flush."""
        if not self._bits.dirty_bytes:
            return
        if self._missing:
            plan.replace(self.path, self.header + pack_bits(self.mask))
        else:
            for offset, data in self._bits.changes():
                plan.write(self.path, len(self.header) + offset, data)
        plan.on_done(self._flushed)

    def _flushed(self) -> None:
        self._bits.clean()
        self._missing = False

    def close(self) -> None:
        """Forget changes that were not flushed."""
        self._bits.clean()


def encode_stored_bitmask(mask: Mask) -> bytes:
    """A mask as a stored bitmask: the rarer value as a Roaring bitmap, or raw bits if not larger."""
    ones = int(np.count_nonzero(mask))
    rare_ones = ones <= len(mask) - ones
    coded = roaring.encode(np.flatnonzero(mask if rare_ones else ~mask))
    encoding = _ONES if rare_ones else _ZEROS
    if packed_size(len(mask)) <= len(coded):
        coded, encoding = pack_bits(mask), _RAW
    return _QBMK.pack(b"QBMK", 1, len(mask), encoding, 0, len(coded)) + coded


def decode_stored_bitmask(data: bytes, count: int, path: object) -> Mask:
    """``(count,) bool`` from a stored bitmask.

    Args:
        data: the whole file.
        count: how many bits it must hold.
        path: the file, for the error.

    Raises:
        CorruptedError: it is not a stored bitmask of ``count`` bits.
    """
    if len(data) < _QBMK.size:
        raise CorruptedError(path, f"{len(data)} bytes cannot hold the header of a stored bitmask")
    magic, version, bits, encoding, _, length = _QBMK.unpack_from(data)
    if magic != b"QBMK" or version != 1:
        raise CorruptedError(path, f"expected a stored bitmask of version 1, got {magic!r} {version}", 0)
    if bits != count:
        raise CorruptedError(path, f"it holds {bits} bits, expected {count}", 8)
    payload = memoryview(data)[_QBMK.size :]
    if length != len(payload):
        raise CorruptedError(path, f"the payload has {len(payload)} bytes, expected {length}", 24)
    if encoding == _RAW:
        if length < packed_size(count):
            raise CorruptedError(path, f"{length} bytes cannot hold {count} bits", 24)
        return unpack_bits(payload, count)
    if encoding not in (_ONES, _ZEROS):
        raise CorruptedError(path, f"unknown encoding {encoding}", 16)
    mask = np.full(count, encoding == _ZEROS)
    try:
        positions = roaring.decode(payload, count)
    except ValueError as error:
        raise CorruptedError(path, str(error), _QBMK.size) from error
    mask[positions] = encoding == _ONES
    return mask
