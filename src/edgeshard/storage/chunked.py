"""Rows of one length in a directory of equally large files: the appendable vector storage.

::

    config.json    {"chunk_size_bytes":..,"chunk_size_vectors":..,"dim":..}
    status.dat     u64 number of rows
    chunk_<n>.mmap row i is row i % chunk_size_vectors of chunk i // chunk_size_vectors

Chunks are mapped privately, so appending is a copy into memory; the flush writes it (see
:mod:`edgeshard.storage.overlay`). Rows past the durable count are fresh: nothing durable refers to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.few import FEW
from edgeshard.storage.overlay import PrivateFile
from edgeshard.storage.runs import consecutive

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

CHUNK_BYTES = 32 << 20
STATUS_FILE = "status.dat"
STATUS_BYTES = 8
Rows = npt.NDArray[Any]
Offsets = npt.NDArray[np.uint32]


class ChunkedRows:
    """Appendable rows ``(dim,)`` of one dtype.

    Args:
        directory: where the files are; made by :meth:`create`.
        dim: elements of a row.
        dtype: their type, as stored (little endian).
        stored_dim: what ``config.json`` calls ``dim``, if it counts something else than elements.
        read_only: refuse changes.

    Attributes:
        count: rows, including those not flushed yet.

    Raises:
        CorruptedError: the files contradict one another or ``dim``.
    """

    __slots__ = (
        "_chunks", "_durable", "_read_only", "_status", "_views", "chunk_bytes", "count", "dim",
        "directory", "dtype", "per_chunk", "row_bytes",
    )  # fmt: skip

    def __init__(
        self,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        stored_dim: int | None = None,
        read_only: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self.dim = dim
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.row_bytes = dim * self.dtype.itemsize
        self._read_only = read_only
        self._views: list[Rows] | None = None
        self.per_chunk, self.chunk_bytes = self._read_config(stored_dim or dim)
        self._status = self._open_status()
        self.count = self._durable = int(self._status.array[:STATUS_BYTES].view("<u8")[0])
        self._chunks: list[PrivateFile] = []
        self._open_chunks()

    @classmethod
    def create(
        cls, directory: files.PathLike, dim: int, dtype: npt.DTypeLike, *, stored_dim: int | None = None
    ) -> ChunkedRows:
        """Make the directory with no rows."""
        path = Path(directory)
        files.disk.mkdir(path)
        per_chunk = max(1, CHUNK_BYTES // (dim * np.dtype(dtype).itemsize))
        size = per_chunk * dim * np.dtype(dtype).itemsize
        config = {"chunk_size_bytes": size, "chunk_size_vectors": per_chunk, "dim": stored_dim or dim}
        files.replace_file(path / "config.json", msgspec.json.encode(config))
        files.create_file(path / STATUS_FILE, STATUS_BYTES)
        return cls(path, dim, dtype, stored_dim=stored_dim)

    def _read_config(self, expected: int) -> tuple[int, int]:
        """``(rows per chunk, bytes per chunk)``."""
        path = self.directory / "config.json"
        try:
            config = files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))
            dim, rows, size = (config[key] for key in ("dim", "chunk_size_vectors", "chunk_size_bytes"))
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptedError(path, f"not the configuration of a chunked storage: {error!r}") from error
        if dim != expected:
            raise CorruptedError(path, f"expected rows of {expected} elements, got {dim}")
        if not isinstance(rows, int) or not isinstance(size, int) or rows < 1 or size < rows * self.row_bytes:
            raise CorruptedError(path, f"{rows} rows of {self.row_bytes} bytes do not fit chunks of {size}")
        return rows, size

    def _open_status(self) -> PrivateFile:
        status = PrivateFile(self.directory / STATUS_FILE, read_only=self._read_only)
        if status.size < STATUS_BYTES:
            raise CorruptedError(status.path, f"expected {STATUS_BYTES} bytes, got {status.size}")
        return status

    def _open_chunks(self) -> None:
        needed = -(-self.count // self.per_chunk)
        while len(self._chunks) < needed:
            path = self._chunk_path(len(self._chunks))
            if not path.exists():
                raise CorruptedError(path, f"the file is missing, but there should be {self.count} rows")
            self._chunks.append(self._open_chunk(path))

    def _chunk_path(self, number: int) -> Path:
        return self.directory / f"chunk_{number}.mmap"

    def _open_chunk(self, path: Path) -> PrivateFile:
        chunk = PrivateFile(path, read_only=self._read_only)
        if chunk.size < self.chunk_bytes:
            raise CorruptedError(path, f"expected {self.chunk_bytes} bytes, got {chunk.size}", chunk.size)
        return chunk

    def reserve(self, count: int) -> None:
        """Make the chunks that ``count`` rows need.

        Raises:
            StorageError: the file system refused; the rows are as before.
        """
        if self._read_only:
            raise StorageError(f"{self.directory} is open for reading only")
        while len(self._chunks) * self.per_chunk < count:
            path = self._chunk_path(len(self._chunks))
            try:
                whole = path.stat().st_size >= self.chunk_bytes
            except OSError:
                whole = False
            self._chunks.append(PrivateFile(path) if whole else PrivateFile.create(path, self.chunk_bytes))

    def chunks(self) -> list[Rows]:
        """Views ``(rows, dim)`` of all rows in order, without copying. Valid until the process ends."""
        views = self._views
        if views is None:
            views = []
            for number, chunk in enumerate(self._chunks):
                rows = min(self.count - number * self.per_chunk, self.per_chunk)
                if rows > 0:
                    flat = chunk.array[: rows * self.row_bytes].view(self.dtype)
                    views.append(flat.reshape(rows, self.dim))
            self._views = views
        return views

    def table(self) -> Rows:
        """``(count, dim)`` all rows in one array; a view if they are in one chunk."""
        views = self.chunks()
        return views[0] if len(views) == 1 else np.concatenate([np.zeros((0, self.dim), self.dtype), *views])

    def release_pages(self) -> None:
        """Let the system take back the memory of what was read; see :meth:`PrivateFile.release_pages`."""
        for chunk in self._chunks:
            chunk.release_pages()

    def _spans(self, first: int, count: int) -> list[tuple[int, int, int, int]]:
        """``(chunk, first row in it, position in the run, rows)`` of a run of rows."""
        chunk, row = divmod(first, self.per_chunk)
        if 0 < count <= self.per_chunk - row:
            return [(chunk, row, 0, count)]
        spans, done = [], 0
        while done < count:
            chunk, row = divmod(first + done, self.per_chunk)
            rows = min(count - done, self.per_chunk - row)
            spans.append((chunk, row, done, rows))
            done += rows
        return spans

    def write_run(self, first: int, rows: Rows) -> None:
        """Write ``(n, dim)`` rows from ``first`` on, extending the storage.

        Rows skipped between the end and ``first`` hold anything; nothing may refer to them.
        """
        data = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8)
        count = len(rows)
        self.reserve(first + count)
        for chunk, row, done, length in self._spans(first, count):
            start, stop = row * self.row_bytes, (row + length) * self.row_bytes
            at = done * self.row_bytes
            self._chunks[chunk].array[start:stop] = data[at : at + stop - start]
            self._mark(chunk, row, length)
        if first + count > self.count:
            self.count = first + count
            self._views = None

    def write_one(self, offset: int, row: Rows) -> None:
        """Write one ``(dim,)`` row at or below the end; :meth:`write_run` without its overhead."""
        number, place = divmod(offset, self.per_chunk)
        if number >= len(self._chunks) or self._read_only:
            self.reserve(offset + 1)
        file, width = self._chunks[number], self.row_bytes
        start = place * width
        file.array[start : start + width] = row.view(np.uint8)
        file.mark(start, start + width, fresh=offset >= self._durable)
        if offset >= self.count:
            self.count = offset + 1
            self._views = None

    def _mark(self, chunk: int, row: int, length: int) -> None:
        """Remember changed rows: those below the durable count as changes, the others as fresh."""
        settled = min(max(self._durable - chunk * self.per_chunk - row, 0), length)
        file, width = self._chunks[chunk], self.row_bytes
        if settled:
            file.mark(row * width, (row + settled) * width)
        if settled < length:
            file.mark((row + settled) * width, (row + length) * width, fresh=True)

    def write_rows(self, offsets: npt.NDArray[Any], rows: Rows) -> None:
        """Overwrite rows at ``offsets``, all below ``count``; of equal offsets the last one counts."""
        if len(offsets) <= FEW:
            self._write_few(offsets, rows)
            return
        which, place = np.divmod(offsets, self.per_chunk)
        for number in np.unique(which).tolist():
            here = which == number
            local = place[here]
            self.chunks()[number][local] = rows[here]
            for row, length in consecutive(np.unique(local)):
                self._mark(number, row, length)

    def _write_few(self, offsets: npt.NDArray[Any], rows: Rows) -> None:
        """:func:`write_rows` without sorting and grouping."""
        listed = offsets.tolist()
        number = min(listed, default=0) // self.per_chunk
        if max(listed, default=0) // self.per_chunk != number:
            for offset, row in zip(listed, rows, strict=True):
                self.write_one(offset, row)
            return
        before = number * self.per_chunk
        self.chunks()[number][offsets.astype(np.int64) - before] = rows
        file, width = self._chunks[number], self.row_bytes
        for offset in sorted(listed):
            start = (offset - before) * width
            file.mark(start, start + width, fresh=offset >= self._durable)

    def fill(self, count: int, row: Rows) -> None:
        """Append copies of ``row`` until there are ``count`` rows."""
        missing = count - self.count
        step = max(1, (1 << 20) // max(self.row_bytes, 1))
        while missing > 0:
            block = min(missing, step)
            self.write_run(self.count, np.broadcast_to(row, (block, self.dim)))
            missing -= block

    def count_in(self, count: int) -> None:
        """Take rows into the storage that its files hold, but do not count.

        Raises:
            CorruptedError: they lie beyond the files.
        """
        first, self.count, self._views = self.count, count, None
        self._open_chunks()
        if not self._read_only:
            for chunk, row, _, length in self._spans(first, count - first):
                self._mark(chunk, row, length)

    def cut(self, count: int) -> None:
        """Forget the rows from ``count`` on; their places are used again."""
        if count < self.count:
            self.count, self._views = count, None

    def row(self, offset: int) -> Rows:
        """``(dim,)`` view of one row.

        Raises:
            IndexError: it is beyond the last row.
        """
        if not 0 <= offset < self.count:
            raise IndexError(f"row {offset} of {self.count}")
        number, place = divmod(offset, self.per_chunk)
        row: Rows = self.chunks()[number][place]
        return row

    def read_run(self, first: int, count: int) -> Rows:
        """``(count, dim)`` rows from ``first``, a view if they are in one chunk.

        Raises:
            IndexError: some are beyond the last row.
        """
        if first < 0 or first + count > self.count:
            raise IndexError(f"rows {first} to {first + count} of {self.count}")
        views = self.chunks()
        parts = [views[chunk][row : row + rows] for chunk, row, _, rows in self._spans(first, count)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), self.dtype)

    def read_rows(self, offsets: npt.NDArray[Any]) -> Rows:
        """``(n, dim)`` copies of the rows at ``offsets``.

        Raises:
            IndexError: one is beyond the last row.
        """
        views = self.chunks()
        if len(views) == 1:
            rows: Rows = views[0].take(offsets, axis=0)
            return rows
        out = np.empty((len(offsets), self.dim), self.dtype)
        which, rows = np.divmod(offsets, self.per_chunk)
        if len(offsets) and int(offsets.max()) >= self.count:
            raise IndexError(f"row {int(offsets.max())} of {self.count}")
        for number, view in enumerate(views):
            here = np.flatnonzero(which == number)
            if len(here) == len(offsets):
                return np.take(view, rows, axis=0)  # without the GIL, unlike an index of an array
            if len(here):
                out[here] = np.take(view, rows[here], axis=0)
        return out

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return sum(chunk.dirty_bytes for chunk in self._chunks) + STATUS_BYTES * (self.count != self._durable)

    def collect(self, plan: FlushPlan) -> None:
        """Hand changed rows and the count to a flush."""
        for chunk in self._chunks:
            chunk.collect(plan)
        if self.count != self._durable:
            self._status.write(0, self.count.to_bytes(STATUS_BYTES, "little"))
            self._status.collect(plan)
            count = self.count
            plan.on_done(lambda: self._written(count))

    def _written(self, count: int) -> None:
        self._durable = count

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        for file in (*self._chunks, self._status):
            file.close()
        self._chunks, self._views, self.count = [], None, 0
