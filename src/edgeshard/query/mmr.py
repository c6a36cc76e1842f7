"""Maximal marginal relevance (Carbonell and Goldstein, 1998): relevant results that differ from one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


def choose(relevance: npt.NDArray[np.float32], similarity: Matrix, balance: float, limit: int) -> list[int]:
    """Places of the candidates in the order they are picked.

    Of candidates that are equally good the last is picked, and the last of all takes the place of the one picked, as in
    Qdrant.

    Args:
        relevance: ``(n,)`` similarity of each candidate to the query.
        similarity: ``(n, n)``, row ``i`` how similar candidate ``i`` is to each other one.
        balance: weight of relevance against novelty, the λ of the paper.
        limit: how many to pick.
    """
    if len(relevance) < 2:
        return list(range(min(len(relevance), limit)))
    left = np.arange(len(relevance))
    chosen: list[int] = []
    closest: npt.NDArray[np.float32] | None = None
    weight = np.float32(balance)
    while len(left) and len(chosen) < limit:
        score = relevance[left]
        if closest is not None:
            score = weight * score - (np.float32(1) - weight) * closest[left]
        at = len(score) - 1 - int(np.argmax(score[::-1]))
        place = int(left[at])
        chosen.append(place)
        left[at] = left[-1]
        left = left[:-1]
        row = similarity[:, place]
        closest = row.copy() if closest is None else np.maximum(closest, row, out=closest)
    return chosen
