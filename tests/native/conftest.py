"""Plain NumPy definitions the kernels are compared with."""

from __future__ import annotations

import instruction_sets
import numpy as np
import pytest

COSINE, EUCLID, DOT, MANHATTAN = range(4)


@pytest.fixture(params=instruction_sets.available())
def isa(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def reference():
    """Similarities (q, n) in float64."""

    def compute(queries: np.ndarray, rows: np.ndarray, distance: int) -> np.ndarray:
        q, x = queries.astype(np.float64), rows.astype(np.float64)
        if distance == EUCLID:
            return -((q[:, None] - x[None]) ** 2).sum(-1)
        if distance == MANHATTAN:
            return -np.abs(q[:, None] - x[None]).sum(-1)
        dots = q @ x.T
        if distance == COSINE and queries.dtype == np.uint8:
            norms = np.sqrt((q * q).sum(-1))[:, None] * np.sqrt((x * x).sum(-1))[None]
            return np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
        return dots

    return compute


@pytest.fixture(scope="session")
def make_rows():
    """(n, dim) rows of a dtype, starting `shift` elements into their memory, so that bases are unaligned."""

    def make(rng: np.random.Generator, n: int, dim: int, dtype: str, shift: int = 1) -> np.ndarray:
        memory = np.empty(n * dim + shift, dtype)
        rows = memory[shift:].reshape(n, dim)
        rows[:] = rng.integers(0, 256, (n, dim)) if dtype == "u1" else rng.standard_normal((n, dim))
        return rows

    return make


@pytest.fixture(scope="session")
def expected_topk():
    """The k best of a row of similarities: larger first, then smaller offset, NaN left out."""

    def compute(sims: np.ndarray, k: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        keep = sims == sims if allowed is None else (sims == sims) & allowed
        offsets = np.flatnonzero(keep)
        order = offsets[np.lexsort((offsets, -sims[offsets]))][:k]
        return order, sims[order]

    return compute
