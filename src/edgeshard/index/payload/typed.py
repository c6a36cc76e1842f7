"""What an index of integers or of places says where the payload holds more than such values.

In an appendable segment conditions are answered from columns, which hold every value of a field. An index holds those
of its type only: whole numbers of 64 bits (written ``7`` or ``7.0``), points on the globe. Where a column holds others,
conditions that Qdrant answers from the index are answered here, from the values the index would hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.filter.column_masks import clause_hits
from edgeshard.index.payload import schema
from edgeshard.index.payload.column_index import ColumnIndex
from edgeshard.index.payload.conditions import integers_within, only_clause, wanted_values
from edgeshard.index.payload.uuids import to_points
from edgeshard.index.payload.values import Array, Mask, values_of


class TypedIndex(ColumnIndex):
    """Answers conditions on an indexed field whose column holds values the index does not."""

    __slots__ = ()

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass; None if the column answers the same."""
        name, clause = only_clause(condition)
        hits = None
        if name == "match" and schema.INT_MAP in self._field.kinds:
            hits = self._matches(clause)
        elif name == "range" and schema.INT in self._field.kinds:
            hits = self._in_range(clause)
        elif name.startswith("geo_") and schema.GEO in self._field.kinds:
            hits = self._on_globe(clause)
        return None if hits is None else to_points(self._column(), hits, count)

    def _column(self) -> Any:
        return self._segment.columns.column(self._field.path)

    def _matches(self, match: Any) -> Mask | None:
        wanted = wanted_values(match, int)
        found = None if wanted is None else self._integers()
        if found is None:
            return None
        places, values = found
        held = [value for value in wanted or () if -(2**63) <= value < 2**63]
        return self._marked(places[np.isin(values, np.array(held, np.int64))])

    def _in_range(self, bounds: Any) -> Mask | None:
        limits = integers_within(bounds)
        found = None if limits is None else self._integers()
        if limits is None or found is None:
            return None
        places, values = found
        low, high = limits
        if low > high or low >= 2**63 or high < -(2**63):
            return self._marked(places[:0])
        return self._marked(places[(values >= low) & (values <= high)])

    def _on_globe(self, clause: Any) -> Mask | None:
        column = self._column()
        if column.lons is None or column.lats is None:
            return None
        inside: Mask | None = column.memo.get("on globe")
        if inside is None:
            inside = column.memo["on globe"] = self._marked(values_of(column, schema.GEO)[0])
        if bool((inside | np.isnan(column.lons)).all()):
            return None
        found: Mask | None = clause_hits(clause, column)
        return None if found is None else found & inside

    def _integers(self) -> tuple[Array, Array] | None:
        """Places and values of the integers; None if the column's numbers are these and exact."""
        column = self._column()
        if column.numbers is None or (column.integers is None and not column.has_reals):
            return None
        found: tuple[Array, Array] | None = column.memo.get("whole")
        if found is None:
            found = column.memo["whole"] = values_of(column, schema.INT)
        return found

    def _marked(self, places: Array) -> Mask:
        hits = np.zeros(len(self._column().tags), np.bool_)
        hits[places] = True
        return hits
