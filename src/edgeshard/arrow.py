"""Points as an Arrow table or a pandas frame. Needs the extra ``edgeshard[arrow]`` or ``edgeshard[pandas]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeshard.models.base import sequence
from edgeshard.models.results import Record, ScoredPoint

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["to_arrow", "to_pandas"]

Points: TypeAlias = "Sequence[ScoredPoint] | Sequence[Record]"


def to_arrow(points: Points) -> pyarrow.Table:
    """A table with a row per point, in their order.

    Columns, each only where a point has something for it:

    - ``id``: uint64, or text if a UUID is among the ids;
    - ``score`` (float32), ``version`` (uint64): of scored points;
    - ``order_value``: int64 or float64;
    - ``payload.<key>`` per top-level key: typed where the values of all points have one type, else JSON text;
    - ``vector``, or ``vector.<name>`` per name: fixed-size lists of float32, lists of those for multi-vectors,
      structs of ``indices`` and ``values`` for sparse vectors.

    Args:
        points: what `query`, `search` or `retrieve` returned, or the first part of what `scroll` did.

    Raises:
        TypeError: `points` is no list of scored points or of records.
        ImportError: pyarrow is not installed; the message says how to install it.
    """
    arrow = _pyarrow()
    points = _checked(points)
    columns: dict[str, Any] = {"id": _ids(arrow, [point.id for point in points])}
    if points and isinstance(points[0], ScoredPoint):
        scored: list[Any] = list(points)
        columns["score"] = arrow.array([point.score for point in scored], arrow.float32())
        columns["version"] = arrow.array([point.version for point in scored], arrow.uint64())
    if any(point.order_value is not None for point in points):
        columns["order_value"] = arrow.array([point.order_value for point in points])
    payloads = [point.payload or {} for point in points]
    for key in dict.fromkeys(key for payload in payloads for key in payload):
        columns[f"payload.{key}"] = _values(arrow, [payload.get(key) for payload in payloads])
    for name, vectors in _vectors([point.vector for point in points]).items():
        columns[f"vector.{name}" if name else "vector"] = _vector_column(arrow, vectors)
    return arrow.table(columns)


def to_pandas(points: Points) -> pandas.DataFrame:
    """A frame with a row per point and the columns of :func:`to_arrow`.

    Args:
        points: what `query`, `search` or `retrieve` returned, or the first part of what `scroll` did.

    Raises:
        TypeError: `points` is no list of scored points or of records.
        ImportError: pandas or pyarrow is not installed; the message says how to install it.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'edgeshard[pandas]'") from error
    return to_arrow(points).to_pandas()


def _checked(points: Points) -> Points:
    """The points as a list of one kind."""
    items: list[Any] = sequence(points, "points")
    kind = ScoredPoint if items and isinstance(items[0], ScoredPoint) else Record
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"points: expected all ScoredPoint or all Record, got {type(item).__name__}")
    return items


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow: pip install 'edgeshard[arrow]'") from error
    return pyarrow


def _ids(arrow: Any, ids: list[Any]) -> Any:
    if all(isinstance(point_id, int) for point_id in ids):
        return arrow.array(ids, arrow.uint64())
    return arrow.array([str(point_id) for point_id in ids], arrow.string())


def _values(arrow: Any, values: list[Any]) -> Any:
    """A typed column, or one of JSON text where the types differ."""
    kinds = {type(value) for value in values if value is not None}
    try:
        if len(kinds) <= 1:
            return arrow.array(values)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError):
        pass  # values of one Python type whose insides differ
    import json

    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return arrow.array(texts, arrow.string())


def _vectors(vectors: list[Any]) -> dict[str, list[Any]]:
    """Vectors by name, None where a point has none."""
    named = [vector if isinstance(vector, dict) else {} if vector is None else {"": vector} for vector in vectors]
    return {name: [entry.get(name) for entry in named] for name in dict.fromkeys(n for entry in named for n in entry)}


def _vector_column(arrow: Any, vectors: list[Any]) -> Any:
    first = next(vector for vector in vectors if vector is not None)
    if hasattr(first, "indices"):
        kind = arrow.struct([("indices", arrow.list_(arrow.uint32())), ("values", arrow.list_(arrow.float32()))])
        rows = [None if v is None else {"indices": v.indices, "values": v.values} for v in vectors]
        return arrow.array(rows, kind)
    multi = bool(first) and isinstance(first[0], list)
    row = arrow.list_(arrow.float32(), len(first[0] if multi else first))
    return arrow.array(vectors, arrow.list_(row) if multi else row)
