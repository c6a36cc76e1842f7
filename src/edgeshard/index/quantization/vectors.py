"""The codes of one vector name in one segment: built, opened, searched, kept current.

Immutable segments have one file of rows, appendable ones (binary and TurboQuant only) chunks that follow the vector
storage. A multi-vector has one row per inner vector and a table of ``(first row, number of rows)`` per point.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.index.codes_budget import BUDGET
from edgeshard.index.flat import best_of
from edgeshard.index.quantization.fit import fit
from edgeshard.index.quantization.meta import CONFIG, META, Description, encode_files
from edgeshard.index.quantization.spec import BLOCK_ROWS, Mask, Offsets, Rows, VectorSpec
from edgeshard.storage import files
from edgeshard.storage.chunked import ChunkedRows
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.overlay import PrivateFile
from edgeshard.storage.runs import bounds_of, row_numbers

DATA, OFFSETS = "quantized.data", "quantized.offsets.data"
DATA_CHUNKS, OFFSETS_CHUNKS = "quantized_data", "quantized_offsets_data"
ENTRY = np.dtype("<u4")
COARSE_TURBO = ("bits1", "bits1_5", "bits2")
"""Sizes of TurboQuant codes whose order is not good enough to be the answer."""
Records = npt.NDArray[np.uint8]
Sims = npt.NDArray[np.float32]


class FixedCodes:
    """Codes of an immutable segment.

    Args:
        directory: ``vector_storage[-NAME]``.
        stride: bytes of a row.
        multi: whether points have several rows.
        in_memory: read the rows instead of mapping them.

    Attributes:
        counting_file: its size says of how many points there are codes.

    Raises:
        CorruptedError: a file is missing or of the wrong size.
    """

    __slots__ = ("__weakref__", "_file", "_rows", "_table", "counting_file")

    def __init__(self, directory: Path, stride: int, multi: bool, in_memory: bool) -> None:
        self.counting_file = directory / (OFFSETS if multi else DATA)
        self._file = PrivateFile(directory / DATA, read_only=True)
        if self._file.size % stride:
            reason = f"{self._file.size} bytes are no whole number of rows of {stride}"
            raise CorruptedError(self._file.path, reason, self._file.size)
        rows = self._file.array.reshape(-1, stride)
        self._rows: Records = rows
        if in_memory:
            self._rows = rows.copy()
            BUDGET.hold(self, rows.nbytes)
        self._table: tuple[Offsets, Offsets] | None = None
        if multi:
            entries = PrivateFile(directory / OFFSETS, read_only=True)
            if entries.size % 8:
                raise CorruptedError(entries.path, "no whole number of entries of 8 bytes", entries.size)
            table = entries.array.view(ENTRY).reshape(-1, 2)
            self._table = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
            wrong = first_beyond(self._table, len(rows))
            if wrong is not None:
                raise CorruptedError(entries.path, f"point {wrong} refers to rows beyond the {len(rows)} there are")

    def chunks(self) -> list[Records]:
        """Rows in order."""
        return [self._rows]

    def table(self) -> tuple[Offsets, Offsets] | None:
        """``(first, count)`` per point, None for one row each."""
        return self._table

    def close(self) -> None:
        """Let go of the file."""
        BUDGET.release(self)
        self._rows = self._rows[:0].copy()
        self._file.close()


class GrowingCodes:
    """Codes of an appendable segment.

    Args:
        directory: ``vector_storage[-NAME]``.
        stride: bytes of a row.
        multi: whether points have several rows.
        read_only: refuse changes.

    Raises:
        CorruptedError: the files contradict one another.
    """

    __slots__ = ("entries", "rows")

    def __init__(self, directory: Path, stride: int, multi: bool, read_only: bool) -> None:
        self.rows = ChunkedRows(directory / DATA_CHUNKS, stride, np.uint8, read_only=read_only)
        self.entries: ChunkedRows | None = None
        if multi:
            path = directory / OFFSETS_CHUNKS
            self.entries = ChunkedRows(path, 2, ENTRY, stored_dim=1, read_only=read_only)
            self._check_entries()

    def _check_entries(self) -> None:
        """Forget the codes from the first point on whose rows are not counted; they are made anew.

        Qdrant writes entries at once and the number of rows when it flushes: a kill leaves such.
        """
        table = self.table()
        assert self.entries is not None
        assert table is not None
        first = first_beyond(table, self.rows.count)
        if first is not None:
            reason = f"point {first} refers to rows beyond the {self.rows.count} there are"
            text = f"{self.entries.directory}: {reason}; the codes of the points from it on are made anew"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            self.entries.cut(first)

    @staticmethod
    def create(directory: Path, stride: int, multi: bool) -> None:
        """Make the directories, empty."""
        ChunkedRows.create(directory / DATA_CHUNKS, stride, np.uint8).close()
        if multi:
            ChunkedRows.create(directory / OFFSETS_CHUNKS, 2, ENTRY, stored_dim=1).close()

    def chunks(self) -> list[Records]:
        """Rows in order."""
        return self.rows.chunks()

    def table(self) -> tuple[Offsets, Offsets] | None:
        """``(first, count)`` per point, None for one row each."""
        if self.entries is None:
            return None
        table = self.entries.table()
        return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])

    def put(self, offsets: Offsets, records: Records) -> None:
        """Store one row per point; points up to the last that have none yet get zeros."""
        top = int(offsets.max()) + 1
        self.rows.reserve(top)
        if top > self.rows.count:
            self.rows.fill(top, np.zeros(self.rows.dim, np.uint8))
        self.rows.write_rows(offsets, records)

    def put_several(self, offsets: Offsets, indptr: npt.NDArray[np.int64], records: Records) -> None:
        """Store the rows of points: over the old ones if they are as many or fewer, else at the end."""
        assert self.entries is not None
        top = max(int(offsets.max()) + 1, self.entries.count)
        counts = np.diff(indptr)
        entries = np.zeros((len(offsets), 2), ENTRY)
        known = offsets < self.entries.count
        entries[known] = self.entries.read_rows(offsets[known])
        fits = counts <= entries[:, 1]
        moved = bounds_of(counts[~fits])
        self.rows.reserve(self.rows.count + int(moved[-1]))
        self.entries.reserve(top)
        entries[~fits, 0] = self.rows.count + moved[:-1]
        entries[:, 1] = counts
        if moved[-1]:
            self.rows.write_run(self.rows.count, records[row_numbers(indptr[:-1][~fits], moved)])
        kept = bounds_of(counts[fits])
        if kept[-1]:
            target = row_numbers(entries[fits, 0].astype(np.int64), kept)
            self.rows.write_rows(target, records[row_numbers(indptr[:-1][fits], kept)])
        if top > self.entries.count:
            self.entries.fill(top, np.zeros(2, ENTRY))
        self.entries.write_rows(offsets, entries)

    def cut(self, count: int) -> None:
        """Forget the codes of the points from ``count`` on; rows of multi-vectors that nothing names any more stay."""
        (self.rows if self.entries is None else self.entries).cut(count)

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        self.rows.collect(plan)
        if self.entries is not None:
            self.entries.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self.rows.close()
        if self.entries is not None:
            self.entries.close()


class QuantizedVectors:
    """Codes of the vectors of one name. Reading is safe from several threads.

    Args:
        description: method, parameters and codec.
        store: the rows.
        spec: the vectors.

    Attributes:
        description: method, options and codec.
        rescores: whether searches rescore what codes of this method find unless the caller says otherwise (as Qdrant).
    """

    __slots__ = ("_store", "description", "rescores", "spec")

    def __init__(self, description: Description, store: FixedCodes | GrowingCodes, spec: VectorSpec) -> None:
        self.description = description
        coarse = description.method == "turbo" and description.options.get("bits") in COARSE_TURBO
        self.rescores = description.method == "binary" or coarse
        self.spec = spec
        self._store = store

    @classmethod
    def open(cls, directory: Path, spec: VectorSpec, *, read_only: bool = False) -> QuantizedVectors | None:
        """The codes in ``vector_storage[-NAME]``, None if there are none.

        Raises:
            CorruptedError: some files are missing, or one is damaged.
        """
        if not any((directory / name).exists() for name in (CONFIG, META, DATA, DATA_CHUNKS)):
            return None
        description = Description(directory, spec)
        store: FixedCodes | GrowingCodes
        if description.mutable:
            store = GrowingCodes(directory, description.codec.stride, spec.multi, read_only)
        else:
            store = FixedCodes(directory, description.codec.stride, spec.multi, description.in_memory)
        return cls(description, store, spec)

    @classmethod
    def build(cls, directory: Path, storage: Any, quantization: dict[str, Any], spec: VectorSpec) -> QuantizedVectors:
        """Write the codes of an immutable segment; the caller makes them durable.

        Args:
            directory: ``vector_storage[-NAME]``.
            storage: the vectors (``ChunkedDense``, ``MatrixDense`` or ``MultiDense``).
            quantization: ``{method: options}`` as ``segment.json`` has it.
            spec: the vectors.

        Raises:
            StorageError: the file system refused.
        """
        rows = Rows(storage, spec, next(iter(quantization)))
        config, meta = encode_files(quantization, fit(quantization, spec, rows), spec, rows.count)
        files.replace_file(directory / CONFIG, config)
        files.replace_file(directory / META, meta)
        codec = Description(directory, spec).codec
        _write(directory / DATA, (codec.encode(block) for block, _ in rows.blocks()))
        if rows.table is not None:
            counts = rows.table[1]
            entries = np.stack([bounds_of(counts.astype(np.int64))[:-1].astype(ENTRY), counts], axis=1)
            _write(directory / OFFSETS, [np.ascontiguousarray(entries, ENTRY)])
        codes = cls.open(directory, spec)
        assert codes is not None
        return codes

    @classmethod
    def create(cls, directory: Path, quantization: dict[str, Any], spec: VectorSpec) -> QuantizedVectors:
        """New, empty codes of an appendable segment (binary and TurboQuant).

        Raises:
            StorageError: the file system refused.
        """
        config, meta = encode_files(quantization, fit(quantization, spec, None), spec, None)
        files.disk.mkdir(directory)
        files.replace_file(directory / CONFIG, config)
        files.replace_file(directory / META, meta)
        GrowingCodes.create(directory, Description(directory, spec).codec.stride, spec.multi)
        codes = cls.open(directory, spec)
        assert codes is not None
        return codes

    @property
    def method(self) -> str:
        """``scalar``, ``product``, ``binary`` or ``turbo``."""
        return str(self.description.method)

    @property
    def count(self) -> int:
        """Number of points."""
        table = self._store.table()
        return sum(map(len, self._store.chunks())) if table is None else len(table[0])

    @property
    def row_bytes(self) -> int:
        """Bytes of the code of one row."""
        return self.description.codec.stride

    def chunks(self) -> list[Records]:
        """``(rows, row_bytes)`` views of all codes, in row order."""
        return self._store.chunks()

    def scores(self, query: npt.NDArray[Any], offsets: Offsets) -> Sims:
        """Similarities of one query with points, by their codes.

        Args:
            query: ``(rows, dim)`` in the field's form; one row unless the vectors are multi-vectors.
            offsets: which points.
        """
        floats = self.spec.query_floats(query, self.method)
        codec, chunks, table = self.description.codec, self._store.chunks(), self._store.table()
        if table is None:
            sims: Sims = codec.score(floats, chunks, offsets)[0]
            return sims
        return codec.maxsim(floats, chunks, *table, offsets)

    def topk(self, query: npt.NDArray[Any], k: int, *, mask: Mask | None = None) -> tuple[Offsets, Sims]:
        """The at most ``k`` best points by their codes, best first, ties by offset.

        Args:
            query: as for :meth:`scores`.
            k: how many.
            mask: ``(points,)`` which may be returned.
        """
        if mask is not None:
            mask = np.ascontiguousarray(mask[: self.count])
        if self._store.table() is not None:
            if mask is None:
                offsets = np.arange(self.count, dtype=np.uint32)
            else:
                offsets = np.flatnonzero(mask).astype(np.uint32)
            return best_of(self.scores(query, offsets), offsets, k)
        floats = self.spec.query_floats(query, self.method)
        if mask is not None and len(mask) < sum(map(len, self._store.chunks())):
            mask = np.append(mask, np.zeros(self.count - len(mask), np.bool_))
        found, sims, counts = self.description.codec.topk(floats, self._store.chunks(), mask, None, min(k, self.count))
        return found[0, : counts[0]], sims[0, : counts[0]]

    # --- keeping up with an appendable storage -------------------------------------------------------------

    def put(self, offsets: Offsets, rows: npt.NDArray[Any]) -> None:
        """Encode and store stored-form rows ``(n, dim)`` at distinct offsets."""
        if len(offsets):
            assert isinstance(self._store, GrowingCodes)
            self._store.put(offsets, self._encode(rows))

    def put_several(self, offsets: Offsets, indptr: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> None:
        """Encode and store the rows of multi-vectors, delimited by ``indptr``, at distinct offsets."""
        if len(offsets):
            assert isinstance(self._store, GrowingCodes)
            self._store.put_several(offsets, indptr, self._encode(rows))

    def catch_up(self, storage: Any, before: int | None = None) -> None:
        """Encode what the storage has and the codes lack: placeholders, or vectors after a crash.

        Args:
            storage: the vectors.
            before: only points below this offset.
        """
        stop = storage.count if before is None else before
        for start in range(self.count, stop, BLOCK_ROWS):
            missing = np.arange(start, min(start + BLOCK_ROWS, stop), dtype=np.uint32)
            if self.spec.multi:
                self.put_several(missing, *storage.get_batch(missing))
            else:
                self.put(missing, storage.get(missing))

    def settle(self, count: int) -> None:
        """Hold the codes against the number of vectors. Growing ones may differ after a crash: those that belong to no
        vector are forgotten (the files stay as they are until something is written), missing ones are made later.

        Raises:
            CorruptedError: codes of an immutable segment are not of as many points.
        """
        if isinstance(self._store, GrowingCodes):
            self._store.cut(count)
        elif self.count != count:
            raise CorruptedError(self._store.counting_file, f"codes of {self.count} points for {count} vectors")

    def _encode(self, rows: npt.NDArray[Any]) -> Records:
        return self.description.codec.encode(self.spec.floats(rows, self.method))

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        if isinstance(self._store, GrowingCodes):
            self._store.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._store.close()


def first_beyond(table: tuple[Offsets, Offsets], rows: int) -> int | None:
    """The first point of a table that names rows beyond the last of ``rows``."""
    wrong = table[0].astype(np.int64) + table[1] > rows
    return int(np.argmax(wrong)) if bool(wrong.any()) else None


def _write(path: Path, blocks: Any) -> None:
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            at = 0
            for block in blocks:
                view = block.reshape(-1).view(np.uint8)
                files.disk.pwrite(fd, view.data, at)
                at += view.nbytes
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot write {path}: {error.strerror}") from error
