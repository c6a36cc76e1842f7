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

    def accepts(self, segment: str, stored_bytes: int, scanned_bytes: int) -> bool:
        """Whether a search without an index gives no reason to warn; asked by every such search, so cheap.

        Args:
            segment: its name.
            stored_bytes: size of its vectors.
            scanned_bytes: size of those the search may have looked at.
        """
        if not self.limit_bytes or stored_bytes < self.limit_bytes:
            self._warned.discard(segment)
            return True
        return bool(self._warned) or scanned_bytes < self.limit_bytes

    def warn(self, segment: str, name: str, scanned: int, scanned_bytes: int) -> None:
        """Warn of a search that :meth:`accepts` does not accept.

        Args:
            segment: its name.
            name: of the vectors.
            scanned: how many the search may have looked at.
            scanned_bytes: their size.
        """
        self._warned.add(segment)
        of = f" {name!r}" if name else ""
        warn_caller(
            f"a search scanned {scanned:,} vectors{of} ({scanned_bytes / 1e6:.1f} MB) that no index finds; the "
            f"indexing threshold is {self.limit_bytes // 1024:,} KB. Call optimize() to build indexes, raise "
            "EdgeOptimizersConfig.indexing_threshold, or ask for exact=True if a scan is what you want",
            UnindexedScanWarning,
        )

    def keep(self, segments: set[str]) -> None:
        """Forget segments that are gone."""
        self._warned &= segments
