"""Fusion of lists whose scores are unusual; ordinary ones are compared with the other engine's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgeshard.query.fusion import distribution_based, reciprocal_rank
from edgeshard.query.hits import Hits


def hits(scores: list[float], step: int = 1) -> Hits:
    """Points 0, 1, .. with scores; with ``step`` -1 the scores are a view that runs backwards."""
    return Hits(np.arange(len(scores)), np.array(scores[::step], np.float32)[::step])


def test_views_count_as_what_they_show() -> None:
    for fuse in (distribution_based, lambda parts, limit: reciprocal_rank(parts, 2, None, limit)):
        fused, of_views = (fuse([hits([3.0, 2.0, 0.5], step)] * 2, 9) for step in (1, -1))
        assert fused.keys.tolist() == of_views.keys.tolist() == [0, 1, 2]
        assert fused.scores.tolist() == of_views.scores.tolist()


@pytest.mark.parametrize("scores", [[np.inf, 1.0, 0.0], [1.0, -np.inf], [np.inf, -np.inf]])
def test_infinities_are_no_warnings(scores: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused = distribution_based([hits(scores), hits([2.0, 1.0])], 9)
        ranked = reciprocal_rank([hits(scores), hits([2.0, 1.0])], 2, [1e39, 1e-39], 9)
    assert fused.keys.tolist() == []  # of no number, all of them
    assert len(ranked) == len(scores)


@pytest.mark.parametrize("scores", [[3e38, 1.0, -3e38], [3e25, 2e25, 1e25], [1e25, 2.0, 1.0]])
def test_scores_whose_squares_are_too_large(scores: list[float]) -> None:
    fused = distribution_based([hits(scores)], 9)
    expected = (np.array(scores) - np.mean(scores)) / (6 * np.std(scores, ddof=1)) + 0.5
    assert fused.keys.tolist() == [0, 1, 2]
    assert np.allclose(fused.scores, expected)


def test_equal_scores_are_halves() -> None:
    for scores in ([1.0], [0.3] * 4):
        assert distribution_based([hits(scores)], 9).scores.tolist() == [0.5] * len(scores)
    assert len(distribution_based([hits([])], 9)) == 0
