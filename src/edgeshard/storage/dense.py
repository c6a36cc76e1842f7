"""Dense vectors by offset, in their stored element type.

:class:`ChunkedDense` grows and is what appendable segments have; :class:`MatrixDense` is one file, written
once. Both read the same way. A point without the vector has a placeholder row and a deleted flag. Rows are
what :func:`edgeshard.storage.convert.to_stored` makes; for ``turbo`` types they are records of bytes (dtype
uint8, ``dim`` = bytes of one record).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.bitset_file import DROP, BitFile, pack_bits
from edgeshard.storage.chunked import ChunkedRows, Offsets, Rows
from edgeshard.storage.few import highest
from edgeshard.storage.flags import FLAGS, MINIMUM_BYTES, STATUS, Flags
from edgeshard.storage.id_tracker.writer import write_file
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

Mask = npt.NDArray[np.bool_]
MATRIX_MAGIC = b"data"


class ChunkedDense:
    """Vectors of an appendable segment.

    Args:
        directory: ``vector_storage[-name]`` of the segment.
        dim: elements of a vector.
        dtype: float32, float16 or uint8 (also for turbo records).
        turbo: the rows are turbo records (their directory has another name).
        placeholder: ``(dim,)`` row of a point without the vector; ones if None.
        read_only: refuse changes.

    Raises:
        CorruptedError: the files contradict one another or the arguments.
    """

    __slots__ = ("_flags", "_placeholder", "_rows")

    def __init__(
        self,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        placeholder: Rows | None = None,
        read_only: bool = False,
    ) -> None:
        path = Path(directory)
        self._rows = ChunkedRows(path / rows_directory(turbo), dim, dtype, read_only=read_only)
        self._flags = Flags.open(path / "deleted", read_only=read_only)
        self._placeholder = np.ones(dim, dtype) if placeholder is None else placeholder

    @classmethod
    def open(
        cls,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        placeholder: Rows | None = None,
        read_only: bool = False,
    ) -> ChunkedDense:
        """The storage in a directory; arguments as for the class."""
        return cls(directory, dim, dtype, turbo=turbo, placeholder=placeholder, read_only=read_only)

    @classmethod
    def create(
        cls,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        placeholder: Rows | None = None,
    ) -> ChunkedDense:
        """A new, empty storage."""
        path = Path(directory)
        ChunkedRows.create(path / rows_directory(turbo), dim, dtype).close()
        Flags.create(path / "deleted").close()
        return cls(path, dim, dtype, turbo=turbo, placeholder=placeholder)

    @property
    def dim(self) -> int:
        """Elements of a stored row."""
        return self._rows.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored elements."""
        return self._rows.dtype

    @property
    def count(self) -> int:
        """Number of rows, placeholders included."""
        return self._rows.count

    def chunks(self) -> list[Rows]:
        """Views ``(rows, dim)`` of all rows, in offset order."""
        return self._rows.chunks()

    def release_pages(self) -> None:
        """Let the system take back the memory of rows that were read, while nobody changes them."""
        self._rows.release_pages()

    def get(self, offsets: npt.NDArray[Any]) -> Rows:
        """``(n, dim)`` copies of the rows at ``offsets``."""
        return self._rows.read_rows(offsets)

    def row(self, offset: int) -> Rows:
        """``(dim,)`` view of one row."""
        return self._rows.row(offset)

    def deleted_mask(self) -> Mask:
        """``(count,)``, True where the point has no such vector."""
        return self._flags.mask(self.count)

    def lacks(self, offset: int) -> bool:
        """Whether a point has no such vector."""
        return self._flags.holds(offset)

    def put(self, offsets: Offsets, rows: Rows) -> None:
        """Store ``(n, dim)`` rows at distinct ``offsets`` and flag them present.

        Offsets at and beyond :attr:`count` append; offsets left out on the way get placeholders and a
        deleted flag.

        Raises:
            StorageError: a chunk file could not be made; nothing changed.
        """
        if not len(offsets):
            return
        before = self.count
        if len(offsets) == 1 and offsets[0] <= before:
            self.put_one(int(offsets[0]), np.ascontiguousarray(rows[0], self.dtype))
            return
        first, top = int(offsets[0]), highest(offsets) + 1
        self._rows.reserve(top)
        if first <= before and is_run(offsets):
            self._rows.write_run(first, rows)
        else:
            self.ensure_count(top)
            self._rows.write_rows(offsets, np.asarray(rows, self.dtype))
        if self._flags.any_of(offsets):
            self._flags.set(offsets, False)

    def put_one(self, offset: int, row: Rows) -> None:
        """Store one ``(dim,)`` row at or below the end and flag it present; :meth:`put` without its overhead."""
        self._rows.write_one(offset, row)
        if self._flags.holds(offset):
            self._flags.set_one(offset, False)

    def set_deleted(self, offsets: Offsets, deleted: bool = True) -> None:
        """Flag points as having no such vector, or as having it again."""
        if len(offsets):
            self.ensure_count(highest(offsets) + 1)
            self._flags.set(offsets, deleted)

    def ensure_count(self, count: int) -> None:
        """Append placeholders, flagged as deleted, until there are ``count`` rows.

        After a crash the id tracker may know more offsets than there are vectors.
        """
        before = self.count
        if count <= before:
            return
        self._rows.reserve(count)
        self._rows.fill(count, self._placeholder)
        self._flags.set(np.arange(before, count, dtype=np.uint32), True)

    def cut(self, count: int) -> None:
        """Forget the rows from ``count`` on, which belong to no point."""
        self._rows.cut(count)

    @property
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""
        return self._rows.dirty_bytes + self._flags.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        self._rows.collect(plan)
        self._flags.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._rows.close()
        self._flags.close()


class MatrixDense:
    """Vectors of an immutable segment.

    Files: ``matrix.dat`` and ``deleted.dat``, or ``tq_vectors.dat`` and ``deleted/``.

    Args:
        directory: ``vector_storage[-name]`` of the segment.
        dim: elements of a vector.
        dtype: float32, float16 or uint8 (also for turbo records).
        turbo: the rows are turbo records.
        read_only: refuse changes.

    Raises:
        CorruptedError: a file is missing, has no whole number of rows, or too few flags.
    """

    __slots__ = ("_file", "_flags", "_matrix", "dim", "dtype")

    def __init__(
        self,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        read_only: bool = False,
    ) -> None:
        path = Path(directory)
        self.dim, self.dtype = dim, np.dtype(dtype)
        magic = b"" if turbo else MATRIX_MAGIC
        file = PrivateFile(path / ("tq_vectors.dat" if turbo else "matrix.dat"), read_only=True)
        self._file: PrivateFile | None = file
        body = file.array[len(magic) :]
        if file.array[: len(magic)].tobytes() != magic:
            raise CorruptedError(file.path, f"expected the header {magic!r}", 0)
        width = dim * self.dtype.itemsize
        if len(body) % width:
            reason = f"{len(body)} bytes are no whole number of rows of {width} bytes"
            raise CorruptedError(file.path, reason, file.size)
        self._matrix: Rows = body.view(self.dtype).reshape(-1, dim)
        self._flags: BitFile | Flags
        if turbo:
            self._flags = Flags.open(path / "deleted", read_only=read_only)
        else:
            deleted = path / "deleted.dat"
            self._flags = BitFile.open(deleted, self.count, DROP, read_only=read_only, missing_ok=True)

    @classmethod
    def open(
        cls,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        read_only: bool = False,
    ) -> MatrixDense:
        """The storage in a directory; arguments as for the class."""
        return cls(directory, dim, dtype, turbo=turbo, read_only=read_only)

    @classmethod
    def around(
        cls, directory: files.PathLike, rows: Rows, dim: int, dtype: npt.DTypeLike, *, read_only: bool = False
    ) -> MatrixDense:
        """A storage whose rows are kept elsewhere (inside a graph file); only the flags are in the directory.

        Args:
            directory: ``vector_storage[-name]``, with the flags directory ``deleted``.
            rows: ``(n, bytes of a row) uint8``.
            dim: elements of a vector.
            dtype: their type.
            read_only: refuse changes.

        Raises:
            CorruptedError: the rows have another length, or the flags are damaged.
        """
        storage = cls.__new__(cls)
        storage.dim, storage.dtype = dim, np.dtype(dtype)
        if rows.shape[1] != dim * storage.dtype.itemsize:
            raise CorruptedError(directory, f"rows of {rows.shape[1]} bytes, expected {dim} {storage.dtype} elements")
        storage._file = None
        storage._matrix = np.ascontiguousarray(rows).reshape(-1).view(storage.dtype).reshape(-1, dim)
        storage._flags = Flags.open(Path(directory) / "deleted", read_only=read_only)
        return storage

    @staticmethod
    def write(
        directory: files.PathLike,
        blocks: Iterable[Rows],
        deleted: Mask,
        *,
        turbo: bool = False,
    ) -> None:
        """Write the files of a new segment; the caller makes them durable.

        Args:
            directory: ``vector_storage[-name]``, made if missing.
            blocks: ``(rows, dim)`` arrays, in offset order, one after the other.
            deleted: ``(n,)`` flags of the points without the vector.
            turbo: the rows are turbo records.

        Raises:
            StorageError: the file system refused.
        """
        path = Path(directory)
        target = path / ("tq_vectors.dat" if turbo else "matrix.dat")
        try:
            files.disk.mkdir(path)
            fd = files.disk.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                at = 0
                for data in ([] if turbo else [np.frombuffer(MATRIX_MAGIC, np.uint8)]), blocks:
                    for block in data:
                        view = np.ascontiguousarray(block).reshape(-1).view(np.uint8)
                        files.disk.pwrite(fd, view.data, at)
                        at += view.nbytes
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(error.errno, f"cannot write {target}: {error.strerror}") from error
        if turbo:
            write_flags(path / "deleted", deleted)
        else:
            BitFile.create(path / "deleted.dat", deleted, DROP).close()

    @property
    def count(self) -> int:
        """Number of rows, placeholders included."""
        return len(self._matrix)

    @property
    def file(self) -> PrivateFile | None:
        """Where the rows are, None if they are inside a graph file."""
        return self._file

    def release_pages(self) -> None:
        """Let the system take back the memory of rows that were read."""
        if self._file is not None:
            self._file.release_pages()

    def chunks(self) -> list[Rows]:
        """One view ``(count, dim)`` of all rows. Elements of four bytes are aligned, the rows are not."""
        return [self._matrix]

    def get(self, offsets: npt.NDArray[Any]) -> Rows:
        """``(n, dim)`` copies of the rows at ``offsets``."""
        return np.take(self._matrix, offsets, axis=0)

    def row(self, offset: int) -> Rows:
        """``(dim,)`` view of one row."""
        row: Rows = self._matrix[offset]
        return row

    def deleted_mask(self) -> Mask:
        """``(count,)``, True where the point has no such vector."""
        return self._flags.mask(self.count) if isinstance(self._flags, Flags) else self._flags.mask

    def lacks(self, offset: int) -> bool:
        """Whether a point has no such vector."""
        flags = self._flags
        return flags.holds(offset) if isinstance(flags, Flags) else bool(flags.mask[offset])

    def set_deleted(self, offsets: Offsets, deleted: bool = True) -> None:
        """Flag points as having no such vector."""
        self._flags.set(offsets, deleted)

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return self._flags.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed flags to a flush."""
        self._flags.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._flags.close()
        if self._file is not None:
            self._file.close()
        self._matrix = np.zeros((0, self.dim), self.dtype)


def is_run(offsets: Offsets) -> bool:
    """Whether the offsets follow one another, ascending."""
    count = len(offsets)
    if int(offsets[-1]) - int(offsets[0]) != count - 1:
        return False
    return count <= 2 or bool((offsets[1:] > offsets[:-1]).all())


def rows_directory(turbo: bool) -> str:
    """The name of the directory that holds the rows."""
    return "tq_vectors" if turbo else "vectors"


def write_flags(directory: Path, deleted: Mask) -> None:
    """Write a new ``deleted/`` directory holding ``deleted``; the caller syncs it."""
    Flags.create(directory).close()
    bits = pack_bits(deleted)
    room = max(MINIMUM_BYTES, 1 << max(len(bits) - 1, 0).bit_length())
    write_file(directory / FLAGS, bits.ljust(room, b"\0"))
    write_file(directory / STATUS, len(deleted).to_bytes(16, "little"))
