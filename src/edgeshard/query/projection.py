"""What to return of a point: which part of its payload, which of its vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from edgeshard._native import ResultPage
from edgeshard.filter.selector import compile_selector
from edgeshard.models.base import texts
from edgeshard.models.vectors import VectorPage, by_name
from edgeshard.segment.batch import Offsets
from edgeshard.segment.schema import Schema, unknown_vector
from edgeshard.segment.segment import Segment

PAGE_POINTS = 1000
"""Results of at least as many points are copied whole, without the GIL, and each makes its id and payload when they are
read. Shorter ones hold them: one kept of many then keeps nothing of the others alive."""

Columns: TypeAlias = "tuple[Any, Any, Any, Any, ResultPage | None]"
"""Ids, payloads, vectors, where payloads come from, and page, as :class:`~edgeshard._native.ObjectMaker` takes them."""


def refuse_unknown(names: Iterable[str], schema: Schema) -> None:
    """Check names of vectors.

    Raises:
        VectorNameNotFoundError: a name the shard does not have.
    """
    for name in names:
        if name not in schema:
            raise unknown_vector(name, schema)


class Projection:
    """What to return of a point. As in Qdrant, a vector name nobody has is an error once a point is read.

    Args:
        with_payload: True, False, a list of paths, or a selector; None counts as ``default_payload``.
        with_vector: True, False or None, or a list of names.
        schema: the shard's vectors.
        default_payload: whether payloads are returned when nothing was said.

    Raises:
        TypeError: something else.
    """

    __slots__ = ("_known", "_schema", "_select", "names", "payload")

    def __init__(self, with_payload: Any, with_vector: Any, schema: Schema, *, default_payload: bool) -> None:
        if with_payload is None:
            with_payload = default_payload
        self.payload: bool = with_payload is not False
        self._select: Callable[[bytes], bytes | None] | None = (
            None if isinstance(with_payload, bool) else compile_selector(with_payload)
        )
        self.names: list[str] | None = None
        self._schema = schema
        self._known = True
        if with_vector is True:
            self.names = list(schema)
        elif with_vector is not None and with_vector is not False:
            self.names = list(dict.fromkeys(texts(with_vector, "with_vector")))
            self._known = schema.keys() >= set(self.names)

    def with_names(self, names: list[str]) -> Projection:
        """The same, with some vectors."""
        other = object.__new__(Projection)
        other.payload, other._select, other.names = self.payload, self._select, names
        other._schema, other._known = self._schema, self._known
        return other

    def payloads(self, segment: Segment, offsets: Offsets) -> list[bytes | None] | None:
        """Raw payloads as the caller wants them; None when none are wanted."""
        if not self.payload:
            return None
        raw = segment.payloads(offsets)
        if self._select is not None:
            return [self._select(payload) for payload in raw]
        return raw  # type: ignore[return-value]

    def vectors(self, segment: Segment, offsets: Offsets) -> VectorPage | None:
        """Vectors as the caller wants them; None when none are.

        Raises:
            VectorNameNotFoundError: a name the shard does not have, and there are points.
        """
        if self.names is None:
            return None
        if not self._known:
            if not len(offsets):
                return None
            refuse_unknown(self.names, self._schema)
        return VectorPage([(name, segment.fields[name].read(offsets)) for name in self.names])

    def vectors_of(self, segment: Segment, offset: int) -> Any:
        """:meth:`vectors` of one point, as a result keeps them.

        Raises:
            VectorNameNotFoundError: a name the shard does not have.
        """
        if self.names is None:
            return None
        if not self._known:
            refuse_unknown(self.names, self._schema)
        fields = segment.fields
        return by_name([(name, fields[name].read_one(offset)) for name in self.names])

    def payload_of(self, segment: Segment, offset: int) -> bytes | None:
        """:meth:`payloads` of one point."""
        if not self.payload:
            return None
        raw = segment.payload.get(offset) or b"{}"
        return raw if self._select is None else self._select(raw)

    def columns(self, segment: Segment, offsets: Offsets) -> Columns:
        """What a result holds of points of one segment: for few their ids and payloads, else what makes them."""
        vectors = self.vectors(segment, offsets)
        long = len(offsets) >= PAGE_POINTS
        ids = segment.ids.parts_of(offsets) if long else None
        payloads = (*segment.payload.get_batch(offsets), b"{}") if long and self.payload and not self._select else None
        page = None if vectors is None and not long else ResultPage(ids, payloads, vectors)
        return (
            segment.ids.ids_of(offsets) if ids is None else ...,
            self.payloads(segment, offsets) if payloads is None else ...,
            None if vectors is None else ...,
            segment.payload.directory if self.payload else None,
            page,
        )
