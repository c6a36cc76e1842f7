"""What to return of a point: which part of its payload, which of its vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeshard.errors import VectorNameNotFoundError
from edgeshard.filter.selector import compile_selector
from edgeshard.models.base import texts
from edgeshard.models.vectors import SparseVector
from edgeshard.segment.batch import Offsets
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment


class Projection:
    """What to return of a point.

    Args:
        with_payload: True, False, a list of paths, or a selector; None counts as ``default_payload``.
        with_vector: True, False or None, or a list of names.
        schema: the shard's vectors.
        default_payload: whether payloads are returned when nothing was said.

    Raises:
        TypeError: something else.
        VectorNameNotFoundError: a name the shard does not have.
    """

    __slots__ = ("_select", "names", "payload")

    def __init__(self, with_payload: Any, with_vector: Any, schema: Schema, *, default_payload: bool) -> None:
        if with_payload is None:
            with_payload = default_payload
        self.payload: bool = with_payload is not False
        self._select: Callable[[bytes], bytes | None] | None = (
            None if isinstance(with_payload, bool) else compile_selector(with_payload)
        )
        self.names: list[str] | None = None
        if with_vector is True:
            self.names = list(schema)
        elif with_vector is not None and with_vector is not False:
            self.names = list(dict.fromkeys(texts(with_vector, "with_vector")))
            for name in self.names:
                if name not in schema:
                    raise VectorNameNotFoundError(f"Not existing vector name error: {name}")

    def with_names(self, names: list[str]) -> Projection:
        """The same, with some vectors."""
        other = object.__new__(Projection)
        other.payload, other._select, other.names = self.payload, self._select, names
        return other

    def payloads(self, segment: Segment, offsets: Offsets) -> list[bytes | None] | None:
        """Raw payloads as the caller wants them; None when none are wanted."""
        if not self.payload:
            return None
        raw = segment.payloads(offsets)
        if self._select is not None:
            return [self._select(payload) for payload in raw]
        return raw  # type: ignore[return-value]

    def vectors(self, segment: Segment, offsets: Offsets) -> list[Any] | None:
        """Vectors as the caller wants them: bare for the unnamed one alone, else by name; None when none are."""
        if self.names is None:
            return None
        by_point: list[dict[str, Any]] = [{} for _ in range(len(offsets))]
        for name in self.names:
            for entry, vector in zip(by_point, segment.fields[name].read(offsets), strict=True):
                if vector is not None:
                    entry[name] = SparseVector._make(*vector) if isinstance(vector, tuple) else vector
        return [entry[""] if len(entry) == 1 and "" in entry else entry for entry in by_point]
