"""Every distance kernel against NumPy in float64, for every instruction set, awkward sizes and values."""

from __future__ import annotations

import os
import subprocess
import sys

import instruction_sets
import numpy as np
import pytest

from edgeshard import _native

DIMS = [1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 64, 97, 256, 384, 1025]


@pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
@pytest.mark.parametrize("distance", range(4))
def test_kernels_agree_with_float64(isa, dtype, distance, reference, make_rows):
    rng = np.random.default_rng(1)
    for dim in DIMS:
        queries, rows = make_rows(rng, 6, dim, dtype), make_rows(rng, 9, dim, dtype)
        got = _native.score_matrix(queries, [rows], None, distance, isa=isa)
        want = reference(queries, rows, distance)
        if dtype == "u1" and distance != 0:
            np.testing.assert_array_equal(got, want.astype(np.float32), err_msg=f"dim {dim}")
        else:
            terms = np.abs(want).max() + dim
            np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6 * terms, err_msg=f"dim {dim}")


def test_largest_byte_vectors_do_not_overflow(isa):
    dim = 65536
    full, zero = np.full((1, dim), 255, np.uint8), np.zeros((1, dim), np.uint8)
    assert _native.score_matrix(full, [full], None, 2, isa=isa)[0, 0] == np.float32(255 * 255 * dim)
    assert _native.score_matrix(full, [zero], None, 1, isa=isa)[0, 0] == -np.float32(255 * 255 * dim)
    assert _native.score_matrix(full, [zero], None, 3, isa=isa)[0, 0] == -np.float32(255 * dim)
    assert _native.score_matrix(full, [full], None, 0, isa=isa)[0, 0] == 1
    assert _native.score_matrix(full, [zero], None, 0, isa=isa)[0, 0] == 0


def test_infinities_nan_and_denormals(isa):
    tiny = np.float32(1e-41)
    rows = np.zeros((5, 35), np.float32)
    rows[0, 34], rows[1, 33], rows[2, 2], rows[3] = np.inf, -np.inf, np.nan, tiny
    query = np.ones((1, 35), np.float32)
    dots = _native.score_matrix(query, [rows], None, 2, isa=isa)[0]
    assert dots[0] == np.inf
    assert dots[1] == -np.inf
    assert np.isnan(dots[2])
    assert dots[3] == pytest.approx(35 * tiny, rel=0.01)
    assert dots[4] == 0
    assert (_native.score_matrix(query, [rows], None, 1, isa=isa)[0, :2] == -np.inf).all()
    assert (_native.score_matrix(query, [rows], None, 3, isa=isa)[0, :2] == -np.inf).all()


def test_every_half_is_widened_exactly(isa):
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 1)
    one = np.ones((1, 1), np.float16)
    got = _native.score_matrix(one, [halves], None, 2, isa=isa)[0]
    np.testing.assert_array_equal(got, halves[:, 0].astype(np.float32))


@pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
@pytest.mark.parametrize("distance", range(4))
def test_tiles_give_the_bits_of_single_comparisons(isa, dtype, distance, make_rows):
    rng = np.random.default_rng(2)
    for dim in (5, 97, 384):
        queries, rows = make_rows(rng, 7, dim, dtype), make_rows(rng, 30, dim, dtype)
        together = _native.score_matrix(queries, [rows], None, distance, isa=isa)
        single = np.concatenate([_native.score_matrix(q[None], [rows], None, distance, isa=isa) for q in queries])
        np.testing.assert_array_equal(together, single)


@pytest.mark.parametrize("cap", [*instruction_sets.ALL, "?"])
def test_environment_caps_the_instruction_set(cap):
    code = "from edgeshard import _native; print(_native.cpu_isa())"
    environment = {**os.environ, "EDGESHARD_CPU": cap}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    order = instruction_sets.ALL
    below = [isa for isa in instruction_sets.available() if cap == "?" or order.index(isa) <= order.index(cap)]
    assert out.stdout.strip() == below[-1]
