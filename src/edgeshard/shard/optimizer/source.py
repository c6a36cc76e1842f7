"""The live points of the inputs of an optimisation, in the order in which its output holds them: by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.filter.batches import BatchSize
from edgeshard.segment.batch import Column, DenseColumn, MultiColumn, SparseColumn
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.segment import Segment
from edgeshard.storage.dense import ChunkedDense, MatrixDense

BLOCK = 4096
"""Points handled at a time: what bounds the memory of a build."""


class Source:
    """The live points of the inputs in the order of the output.

    Args:
        segments: frozen inputs.
    """

    __slots__ = ("hi", "is_uuid", "lo", "number", "offset", "segments", "versions")

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        for number, segment in enumerate(segments):
            offsets = np.flatnonzero(segment.live_mask()).astype(np.uint32)
            lo, hi, is_uuid = segment.ids.ids_arrays()
            versions = segment.ids.versions
            parts.append(
                (np.full(len(offsets), number, np.int32), offsets, lo[offsets], hi[offsets], is_uuid[offsets],
                 versions[offsets])
            )  # fmt: skip
        numbers, places, lo, hi, is_uuid, versions = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((lo, hi, is_uuid))
        self.number, self.offset = numbers[order], places[order]
        self.lo, self.hi, self.is_uuid = lo[order], hi[order], is_uuid[order]
        self.versions = versions[order]

    def __len__(self) -> int:
        return len(self.offset)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Ranges of output offsets."""
        for start in range(0, len(self), BLOCK):
            yield start, min(start + BLOCK, len(self))

    def groups(self, start: int, stop: int) -> Iterator[tuple[Segment, npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """``(input, places in the block, offsets in the input)`` of a range of output offsets."""
        numbers, offsets = self.number[start:stop], self.offset[start:stop]
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            yield self.segments[number], places, offsets[places]

    def payload_blocks(self) -> Iterator[tuple[int, list[bytes | None]]]:
        """Raw payloads and the output offset of the first, a block at a time; empty ones are left out."""
        size, start = BatchSize(BLOCK), 0
        while start < len(self):
            block = self._payloads(start, min(start + size.next, len(self)))
            yield start, block
            start += len(block)
            size.seen(len(block), sum(len(raw) for raw in block if raw is not None))

    def _payloads(self, start: int, stop: int) -> list[bytes | None]:
        block: list[bytes | None] = [None] * (stop - start)
        for segment, places, offsets in self.groups(start, stop):
            for place, raw in zip(places.tolist(), segment.payloads(offsets), strict=True):
                block[place] = None if raw == b"{}" else raw
        return block

    def release(self, name: str) -> None:
        """Let the system take back the memory of what was read of the vectors of a name: they stand still."""
        for segment in self.segments:
            storage = getattr(segment.fields[name], "storage", None)
            if isinstance(storage, (ChunkedDense, MatrixDense)):
                storage.release_pages()

    def column(self, name: str, spec: VectorSchema, start: int, stop: int) -> Column:
        """The vectors of one name of a range of output offsets."""
        parts, places = [], []
        for segment, where, offsets in self.groups(start, stop):
            parts.append(segment.fields[name].stored(offsets))
            places.append(where)
        order = np.argsort(np.concatenate(places), kind="stable")
        return join(parts, spec).take(order)


def join(parts: Sequence[Column], spec: VectorSchema) -> Column:
    """Columns one after the other."""
    present = np.concatenate([np.ones(len(part), np.bool_) if part.present is None else part.present for part in parts])
    if spec.kind == "dense":
        return DenseColumn(np.concatenate([part.rows for part in parts if isinstance(part, DenseColumn)]), present)
    indptr = [np.zeros(1, np.int64)]
    for part in parts:
        assert not isinstance(part, DenseColumn)
        indptr.append(part.indptr[1:] + indptr[-1][-1])
    joined = np.concatenate(indptr)
    if spec.kind == "multi":
        rows = np.concatenate([part.rows for part in parts if isinstance(part, MultiColumn)])
        return MultiColumn(joined, rows, present)
    sparse = [part for part in parts if isinstance(part, SparseColumn)]
    return SparseColumn(
        joined,
        np.concatenate([part.indices for part in sparse]),
        np.concatenate([part.values for part in sparse]),
        present,
    )
