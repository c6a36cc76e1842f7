"""Which codes of a segment that is being built are kept in files, and where."""

from __future__ import annotations

from pathlib import Path

from edgeshard.index import kept_codes
from edgeshard.index.kept_codes import Shelf
from edgeshard.models.config import EdgeConfig
from edgeshard.models.enums import Memory
from edgeshard.models.options import options
from edgeshard.segment.fields import vector_directory
from edgeshard.shard.placement import memory_of_codes


class CodeShelves:
    """The shelves of a segment under construction.

    Args:
        root: the shard.
        segment: name of the directory the segment is built in.
        config: of the shard.
    """

    __slots__ = ("_config", "_directory")

    def __init__(self, root: Path, segment: str, config: EdgeConfig) -> None:
        self._directory = root / kept_codes.NAME / segment
        self._config = config

    def of(self, name: str) -> Shelf | None:
        """Where the codes of a vector name are kept; None if none are: the vectors are placed Cold."""
        params = self._config.vectors.get(name)
        if params is None:
            return None
        if memory_of_codes(self._config, params) == Memory.Cold and not options.codes_for_cold_vectors:
            return None
        return Shelf(self._directory, vector_directory(Path(), name).name, writable=True)
