"""``hnsw_config.json``: the parameters a graph was built with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from edgeshard.errors import CorruptedError
from edgeshard.storage import files

CONFIG: Final = "hnsw_config.json"
LIMIT: Final = 1 << 53
"""No number of the file can be larger."""


class HnswConfig:
    """Parameters of one graph.

    Args:
        m: links of a point above level 0 (M of Malkov & Yashunin 2016); 0 = links inside payload blocks only.
        ef_construct: beam while building (efConstruction).
        full_scan_threshold: number of **vectors** below which a scan is preferred (:meth:`threshold_of`
            converts the setting in KB).
        max_indexing_threads: threads that were asked for; 0 = automatic.
        payload_m: links inside payload blocks; ``None`` = as ``m``.
        indexed_vector_count: live vectors in the graph; ``None`` = not recorded.
        m0: links on level 0, by default ``2 * m``.
        payload_m0: links inside blocks on level 0, by default ``2 * payload_m``.
        ef: beam of a search that names none, by default ``ef_construct``.
    """

    __slots__ = (
        "ef",
        "ef_construct",
        "full_scan_threshold",
        "indexed_vector_count",
        "m",
        "m0",
        "max_indexing_threads",
        "payload_m",
        "payload_m0",
    )

    def __init__(
        self,
        m: int = 16,
        ef_construct: int = 100,
        full_scan_threshold: int = 10_000,
        *,
        max_indexing_threads: int = 0,
        payload_m: int | None = None,
        indexed_vector_count: int | None = None,
        m0: int | None = None,
        payload_m0: int | None = None,
        ef: int | None = None,
    ) -> None:
        self.m = m
        self.m0 = 2 * m if m0 is None else m0
        self.ef_construct = ef_construct
        self.ef = ef_construct if ef is None else ef
        self.full_scan_threshold = full_scan_threshold
        self.max_indexing_threads = max_indexing_threads
        self.payload_m = payload_m
        self.payload_m0 = 2 * payload_m if payload_m0 is None and payload_m is not None else payload_m0
        self.indexed_vector_count = indexed_vector_count

    @staticmethod
    def threshold_of(full_scan_threshold_kb: int, available_bytes: int, points: int) -> int:
        """The threshold in vectors for a setting in KB.

        Args:
            full_scan_threshold_kb: the setting of the configuration.
            available_bytes: stored bytes of the vectors that are not deleted.
            points: number of point offsets in the segment.
        """
        average = available_bytes // points if points else 0
        return full_scan_threshold_kb * 1024 // average if average else 1

    def to_json(self) -> bytes:
        """The content of the file, spelled as Qdrant does."""
        fields = {
            "m": self.m,
            "m0": self.m0,
            "ef_construct": self.ef_construct,
            "ef": self.ef,
            "full_scan_threshold": self.full_scan_threshold,
            "max_indexing_threads": self.max_indexing_threads,
            "payload_m": self.payload_m,
            "payload_m0": self.payload_m0,
            "indexed_vector_count": self.indexed_vector_count,
        }
        return ("{" + ",".join(f'"{k}":{"null" if v is None else v}' for k, v in fields.items()) + "}").encode()

    @classmethod
    def read(cls, directory: Path) -> HnswConfig | None:
        """The configuration in a directory, or ``None`` if it has none (older engines: derive it then).

        Raises:
            CorruptedError: the file says what it cannot say.
        """
        path = directory / CONFIG
        if not path.exists():
            return None

        try:
            fields: Any = files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))
            if not isinstance(fields, dict):
                raise ValueError(f"expected an object, got {type(fields).__name__}")
            threshold = "full_scan_threshold" if "full_scan_threshold" in fields else "indexing_threshold"
            return cls(
                number(fields, "m"),
                number(fields, "ef_construct"),
                number(fields, threshold),
                max_indexing_threads=optional(fields, "max_indexing_threads") or 0,
                payload_m=optional(fields, "payload_m"),
                indexed_vector_count=optional(fields, "indexed_vector_count"),
                m0=number(fields, "m0"),
                payload_m0=optional(fields, "payload_m0"),
                ef=number(fields, "ef"),
            )
        except ValueError as error:
            raise CorruptedError(path, str(error)) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HnswConfig) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"HnswConfig({self.to_json().decode()})"


def number(fields: dict[str, Any], key: str) -> int:
    """A field that must be a number from 0 to 2^53."""
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= LIMIT:
        raise ValueError(f"{key} must be a number from 0 to 2^53, got {value!r}")
    return value


def optional(fields: dict[str, Any], key: str) -> int | None:
    """A field that may be missing or null."""
    return None if fields.get(key) is None else number(fields, key)
