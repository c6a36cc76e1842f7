"""Maximal marginal relevance (Carbonell and Goldstein, 1998): relevant results that differ from one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


def choose(relevance: npt.NDArray[np.float32], similarity: Matrix, balance: float, limit: int) -> list[int]:
    """Places of the candidates in the order they are picked.

    Args:
        relevance: ``(n,)`` similarity of each candidate to the query.
        similarity: ``(n, n)``, row ``i`` how similar candidate ``i`` is to each other one.
        balance: weight of relevance against novelty, the λ of the paper.
        limit: how many to pick.
    """
    if len(relevance) < 2:
        return list(range(min(len(relevance), limit)))
    chosen = [int(np.argmax(relevance))]
    open_places = np.ones(len(relevance), np.bool_)
    open_places[chosen[0]] = False
    closest = similarity[:, chosen[0]].copy()
    weight = np.float32(balance)
    while len(chosen) < min(limit, len(relevance)):
        score = weight * relevance - (np.float32(1) - weight) * closest
        score[~open_places] = -np.inf
        place = int(np.argmax(score))
        if not open_places[place]:
            place = int(np.argmax(open_places))
        chosen.append(place)
        open_places[place] = False
        np.maximum(closest, similarity[:, place], out=closest)
    return chosen
