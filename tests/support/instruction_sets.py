"""The instruction sets that kernels can be run with on this machine."""

from __future__ import annotations

import numpy as np

from edgeshard import _native

ALL = ("scalar", "neon", "dotprod", "avx2", "avx512")


def available() -> list[str]:
    """Those that can run here, the best one last; found by asking for each."""
    one = np.ones((1, 1), np.float32)
    found = []
    for isa in ALL:
        try:
            _native.score_matrix(one, [], None, 2, isa=isa)
        except ValueError:
            continue
        found.append(isa)
    return found
