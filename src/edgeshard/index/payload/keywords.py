"""Immutable keyword indexes: which points have a text, straight from the file Qdrant's engine uses."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.index.payload.uuids import only_match
from edgeshard.index.payload.values import Array, Mask

FILE = "values_to_points.bin"
_TEXT_KEYS = 0


class KeywordIndex:
    """Answers matches of texts without reading a payload; other conditions are left to the column.

    Args:
        directory: of the index.
        report: told once what is wrong with the file; conditions then go to the column.
    """

    __slots__ = ("_directory", "_file", "_opened", "_report")

    def __init__(self, directory: Path, report: Callable[[str], None]) -> None:
        self._directory = directory
        self._report = report
        self._file: Any = None
        self._opened = False

    def changed(self, offsets: Array) -> None:
        """Points have new payloads, which does not happen in an optimised segment."""

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that have one of the texts; None for any other condition."""
        match = only_match(condition)
        name = type(match).__name__
        if name not in ("MatchValue", "MatchAny"):
            return None
        wanted = [match.value] if name == "MatchValue" else list(match.value)
        if not all(isinstance(text, str) for text in wanted):
            return None
        try:
            file = self._open()
            found = [] if file is None else [file.find(text.encode("utf-8", "surrogatepass")) for text in wanted]
        except (OSError, ValueError) as error:
            self._file, self._opened = None, True
            self._report(f"{self._directory / FILE}: {error}")
            return None
        if file is None:
            return None
        mask = np.zeros(count, np.bool_)
        for points in found:
            mask[points[points < count]] = True
        return mask

    def _open(self) -> Any:
        if not self._opened:
            with open(self._directory / FILE, "rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = _native.KeyMap(np.frombuffer(mapped, np.uint8))
            if found.kind != _TEXT_KEYS:
                raise ValueError("its keys are not texts")
            self._file, self._opened = found, True
        return self._file
