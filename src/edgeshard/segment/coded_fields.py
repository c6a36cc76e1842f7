"""Fields with compressed copies of their vectors beside the originals.

A search goes through the codes unless its parameters say otherwise, and re-scores what they found with the originals
where the method is too coarse for their order (:mod:`edgeshard.index.quantization.search`). In appendable segments
the codes follow every change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeshard._native import WalkCodes
from edgeshard.index.kept_codes import Shelf
from edgeshard.index.quantization import QuantizedVectors, VectorSpec, code_search
from edgeshard.segment.batch import Column, DenseColumn, Mask, MultiColumn, Offsets
from edgeshard.segment.fields import DenseField, Field, Hits, MultiField, RowField
from edgeshard.segment.graph_field import Graph, GraphField, MultiGraphField, make_walk_codes
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.turbo_fields import TurboField, TurboGraphField, TurboMultiField, TurboMultiGraphField
from edgeshard.segment.whole_walk import WholeWalk
from edgeshard.storage.flush import FlushPlan

VISITED_SHARE = 1.25
"""With vectors inside of the links Qdrant re-scores every point whose list it reads, some of which the beam has left
behind: about so many times the beam."""


class _WithCodes(RowField):
    """What the codes change about a field; ``codes`` is set by :func:`adopt`."""

    __slots__ = ()

    codes: QuantizedVectors

    def put(self, offsets: Offsets, column: Column) -> None:
        """See :class:`Field`."""
        super().put(offsets, column)
        if column.present is not None:
            kept = np.flatnonzero(column.present)
            offsets, column = offsets[kept], column.take(kept)
        if not len(offsets):
            return
        self.codes.catch_up(self.storage, before=int(offsets.min()))
        if isinstance(column, DenseColumn):
            self.codes.put(offsets, column.rows)
        elif isinstance(column, MultiColumn):
            self.codes.put_several(offsets, column.indptr, column.rows)

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        search = code_search(self.codes, params)
        graph: Graph | None = getattr(self, "graph", None)
        if graph is not None:
            if search is not None and graph.inline and k:
                asked = None if params is None else params.hnsw_ef
                search.rescore = True
                search.oversampling = max(search.oversampling, VISITED_SHARE * (asked or graph.ef) / k)
            rescore, originals = None, False
            if graph.records is not None and graph.records[1] is not None:  # otherwise it does not walk on these codes
                originals = search is None
                if search is not None:
                    rescore = search.rescored(k)
            found = graph.walk(queries, mask, k, params, rescore=rescore, exact=originals)
            if found is not None:
                return found
        if search is None:
            return super().topk(queries, mask, k, params)
        k = min(k, self.storage.count)

        def exact(query: Any, offsets: Offsets) -> Any:
            return self.sims([query], offsets)[0]

        return [search.run(query, k, exact, mask=mask) for query in queries]

    def ensure_count(self, total: int) -> None:
        """See :class:`Field`."""
        super().ensure_count(total)
        if self.writable:
            self.codes.catch_up(self.storage)

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`Field`."""
        super().collect(plan)
        if self.writable:
            self.codes.catch_up(self.storage)
            self.codes.collect(plan)

    def close(self) -> None:
        """See :class:`Field`."""
        super().close()
        self.codes.close()


class CodedField(_WithCodes, DenseField):
    """A :class:`DenseField` with codes."""

    __slots__ = ("codes",)


class CodedMultiField(_WithCodes, MultiField):
    """A :class:`MultiField` with codes."""

    __slots__ = ("codes",)


class CodedGraphField(_WithCodes, GraphField):
    """A :class:`GraphField` with codes."""

    __slots__ = ("codes",)

    def whole_walk(self) -> WholeWalk | None:
        """See :class:`GraphField`."""
        graph = None if self.graph.inline else self.graph.settled()
        codes = None if self.graph.records is None else self.codes
        return None if graph is None else WholeWalk(graph, self.storage.count, self.graph.ef, self.spec, codes)


class CodedMultiGraphField(_WithCodes, MultiGraphField):
    """A :class:`MultiGraphField` with codes."""

    __slots__ = ("codes",)


class CodedTurboField(_WithCodes, TurboField):
    """A :class:`TurboField` with codes."""

    __slots__ = ("codes",)


class CodedTurboMultiField(_WithCodes, TurboMultiField):
    """A :class:`TurboMultiField` with codes."""

    __slots__ = ("codes",)


class CodedTurboGraphField(_WithCodes, TurboGraphField):
    """A :class:`TurboGraphField` with codes; the graph walks on the records."""

    __slots__ = ("codes",)


class CodedTurboMultiGraphField(_WithCodes, TurboMultiGraphField):
    """A :class:`TurboMultiGraphField` with codes; the graph walks on the records."""

    __slots__ = ("codes",)


_KINDS: dict[type, type] = {
    DenseField: CodedField,
    MultiField: CodedMultiField,
    GraphField: CodedGraphField,
    MultiGraphField: CodedMultiGraphField,
    TurboField: CodedTurboField,
    TurboMultiField: CodedTurboMultiField,
    TurboGraphField: CodedTurboGraphField,
    TurboMultiGraphField: CodedTurboMultiGraphField,
}


def spec_of(schema: VectorSchema) -> VectorSpec:
    """What the quantization needs to know about the vectors of a name."""
    return VectorSpec(schema.size, schema.distance, schema.kind == "multi", schema.datatype)


def with_codes(field: Field, directory: Path, *, read_only: bool) -> Field:
    """The field searched through the codes in its directory, or as it is if there are none.

    Args:
        field: dense or multi-vectors.
        directory: ``vector_storage[-NAME]``.
        read_only: refuse changes.

    Raises:
        CorruptedError: the codes' files are incomplete or damaged.
    """
    codes = QuantizedVectors.open(directory, spec_of(field.spec), read_only=read_only)
    return field if codes is None else adopt(field, codes)


def create_codes(field: Field, directory: Path, quantization: dict[str, Any] | None) -> Field:
    """A new field of an appendable segment together with new codes, if it is configured to have any."""
    if quantization is None:
        return field
    return adopt(field, QuantizedVectors.create(directory, quantization, spec_of(field.spec)))


def keep_walk_codes(directory: Path, schema: VectorSchema, shelf: Shelf) -> None:
    """Keep what graph walks use of codes that have just been written.

    Args:
        directory: ``vector_storage[-NAME]``.
        schema: the vectors.
        shelf: where.
    """
    codes = QuantizedVectors.open(directory, spec_of(schema), read_only=True)
    if codes is None or schema.kind == "multi":
        return
    if WalkCodes.possible(codes.description.codec):
        make_walk_codes(codes.description.codec, codes.chunks(), shelf)
    codes.close()


def adopt(field: Field, codes: QuantizedVectors) -> Field:
    """The same field, with codes."""
    kind: Any = _KINDS[type(field)]
    coded = kind.__new__(kind)
    for base in type(field).__mro__:
        for slot in getattr(base, "__slots__", ()):
            setattr(coded, slot, getattr(field, slot))
    coded.codes = codes
    if kind is CodedGraphField and field.spec.datatype != "uint8":
        coded.graph.records = codes.description.codec, codes.chunks()
    result: Field = coded
    return result


def write_codes(
    storage: Any, directory: Path, quantization: dict[str, Any], schema: VectorSchema, growing: bool
) -> None:
    """Write the codes of a vector storage that has just been written; the caller makes them durable.

    Args:
        storage: the vectors.
        directory: ``vector_storage[-NAME]``.
        quantization: ``{method: options}``.
        schema: the vectors.
        growing: the segment is appendable.

    Raises:
        StorageError: the disk refused.
    """
    from edgeshard.storage.checkpoint import write_ranges

    if not growing:
        QuantizedVectors.build(directory, storage, quantization, spec_of(schema)).close()
        return
    codes = QuantizedVectors.create(directory, quantization, spec_of(schema))
    codes.catch_up(storage)
    plan = FlushPlan()
    codes.collect(plan)
    write_ranges(plan.fresh + plan.changes)
    plan.done()
    codes.close()
