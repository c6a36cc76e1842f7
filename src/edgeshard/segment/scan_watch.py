"""Noticing that searches scan what an index should find."""

from __future__ import annotations

from edgeshard.errors import UnindexedScanWarning, warn_caller


class ScanWatch:
    """Warns once when a search scans a segment that has outgrown the indexing threshold, and again only after that
    segment was optimised. One for all segments of a shard.

    Attributes:
        limit_bytes: size of the vectors of a segment from which it should have an index; 0 for never.
    """

    __slots__ = ("_warned", "limit_bytes")

    def __init__(self) -> None:
        self.limit_bytes = 0
        self._warned: set[str] = set()

    def note(self, segment: str, name: str, points: int, scanned: int, row_bytes: int) -> None:
        """Take note of a search without an index.

        Args:
            segment: its name.
            name: of the vectors.
            points: how many of them the segment has.
            scanned: how many the search may have looked at.
            row_bytes: size of a vector.
        """
        if not self.limit_bytes or points * row_bytes < self.limit_bytes:
            self._warned.discard(segment)
            return
        if self._warned or scanned * row_bytes < self.limit_bytes:
            return
        self._warned.add(segment)
        of = f" {name!r}" if name else ""
        warn_caller(
            f"a search scanned {scanned:,} vectors{of} ({scanned * row_bytes / 1e6:.1f} MB) that no index finds; the "
            f"indexing threshold is {self.limit_bytes // 1024:,} KB. Call optimize() to build indexes, raise "
            "EdgeOptimizersConfig.indexing_threshold, or ask for exact=True if a scan is what you want",
            UnindexedScanWarning,
        )

    def keep(self, segments: set[str]) -> None:
        """Forget segments that are gone."""
        self._warned &= segments
