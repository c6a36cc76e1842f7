"""Values as native code takes them: one behind the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeshard.storage.runs import bounds_of


def joined(values: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all values, and where each starts and the last one ends."""
    return np.frombuffer(b"".join(values), np.uint8), bounds_of([len(value) for value in values])
