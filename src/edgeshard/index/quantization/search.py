"""How a search uses codes: whether, how many candidates they give, and whether the originals decide in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.index.flat import best_of
from edgeshard.index.quantization.vectors import QuantizedVectors

Offsets = npt.NDArray[np.uint32]
Sims = npt.NDArray[np.float32]
AT_THE_END = 10


class CodeSearch:
    """One search through codes.

    Args:
        codes: the codes.
        rescore: recompute the candidates' similarities from the original vectors.
        oversampling: collect this many times more candidates than points to return.
    """

    __slots__ = ("codes", "oversampling", "rescore")

    def __init__(self, codes: QuantizedVectors, rescore: bool, oversampling: float) -> None:
        self.codes = codes
        self.rescore = rescore
        self.oversampling = oversampling

    def candidates(self, k: int) -> int:
        """How many candidates the codes give for ``k`` points."""
        return int(self.oversampling * k) if self.oversampling > 1 else k

    def rescored(self, k: int) -> int:
        """How many of the best a walk on codes scores with the original vectors, 0 if the codes decide.

        A few more than are wanted, whatever the oversampling: the codes do not know the order of those at the end.
        """
        return max(self.candidates(k), k + AT_THE_END) if self.rescore else 0

    def run(
        self,
        query: npt.NDArray[Any],
        k: int,
        exact: Callable[[npt.NDArray[Any], Offsets], Sims],
        *,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Offsets, Sims]:
        """The at most ``k`` best points.

        Args:
            query: ``(rows, dim)`` in the field's form.
            k: how many.
            exact: gives the similarities of the query and some points from their original vectors.
            mask: which points may be returned.
        """
        found, sims = self.codes.topk(query, self.candidates(k), mask=mask)
        if self.rescore and len(found):
            sims = exact(query, found)
            return best_of(sims, found, k)
        return found[:k], sims[:k]


def code_search(codes: QuantizedVectors | None, params: Any) -> CodeSearch | None:
    """How to search with ``SearchParams`` (or None); None if the original vectors are to be used.

    Args:
        codes: what the segment has, if anything.
        params: ``exact`` and ``quantization.ignore`` leave the codes aside.
    """
    if codes is None or (params is not None and params.exact):
        return None
    chosen = None if params is None else params.quantization
    if chosen is None:
        return CodeSearch(codes, codes.rescores, 1.0)
    if chosen.ignore:
        return None
    rescore = codes.rescores if chosen.rescore is None else chosen.rescore
    return CodeSearch(codes, rescore, chosen.oversampling or 1.0)
