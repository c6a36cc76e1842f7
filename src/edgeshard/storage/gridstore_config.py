"""The sizes of a gridstore (``config.json``) and the names of its files.

``docs/format/gridstore.md`` describes the directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from edgeshard.errors import CorruptedError
from edgeshard.storage import files

CONFIG: Final = "config.json"
TRACKER: Final = "tracker.dat"
JOURNAL: Final = "tracker_journal.dat"
BITMASK: Final = "bitmask.dat"
GAPS: Final = "gaps.dat"

HEADER_BYTES: Final = 4
"""tracker.dat starts with the number of slots."""
SLOT_BYTES: Final = 16
"""Present, page, block and length, u32 each."""
GAPS_BYTES: Final = 6
"""Longest, leading and trailing free run of a region, u16 each."""
TRACKER_BYTES: Final = 1 << 20
"""Smallest tracker.dat; it grows by powers of two."""
MAX_SLOTS: Final = 1 << 28
"""More slots than a segment can have points for; a larger number in a file is damage."""
MAX_PAGE_BYTES: Final = 1 << 30

LZ4: Final = "LZ4"
NO_COMPRESSION: Final = "None"


def page_name(number: int) -> str:
    """File name of a page."""
    return f"page_{number}.dat"


def tracker_size(slots: int) -> int:
    """Length in bytes of a tracker.dat with room for ``slots`` slots: a power of two, at least 1 MiB."""
    return max(TRACKER_BYTES, 1 << (HEADER_BYTES + slots * SLOT_BYTES - 1).bit_length())


class GridConfig:
    """Sizes and compression of a gridstore.

    Args:
        page_size_bytes: length of every page file, at most 1 GiB.
        block_size_bytes: what a value's place is a multiple of.
        region_size_blocks: blocks one entry of ``gaps.dat`` covers, below 65536; a page is a multiple of it.
        compression: ``"LZ4"`` or ``"None"``.

    Raises:
        ValueError: the numbers do not fit together.
    """

    __slots__ = ("block_size_bytes", "compression", "page_size_bytes", "region_size_blocks")

    def __init__(
        self,
        page_size_bytes: int = 32 << 20,
        block_size_bytes: int = 128,
        region_size_blocks: int = 8192,
        compression: str = LZ4,
    ) -> None:
        self.page_size_bytes = page_size_bytes
        self.block_size_bytes = block_size_bytes
        self.region_size_blocks = region_size_blocks
        self.compression = compression
        problem = self._problem()
        if problem:
            raise ValueError(problem)

    def _problem(self) -> str | None:
        page, block, region = self.page_size_bytes, self.block_size_bytes, self.region_size_blocks
        for name in ("page_size_bytes", "block_size_bytes", "region_size_blocks"):
            value = getattr(self, name)
            if type(value) is not int or value <= 0:
                return f"{name} must be a positive integer, got {value!r}"
        if page > MAX_PAGE_BYTES:
            return f"page_size_bytes must be at most {MAX_PAGE_BYTES}, got {page}"
        if region >= 65536:
            return f"region_size_blocks must be below 65536, got {region}"
        if page % (block * region) or page // block % 8:
            return f"page_size_bytes must be a multiple of block and region size and of 8 blocks, got {page}"
        if self.compression not in (LZ4, NO_COMPRESSION):
            return f"compression must be 'LZ4' or 'None', got {self.compression!r}"
        return None

    @property
    def blocks_per_page(self) -> int:
        """Blocks in a page."""
        return self.page_size_bytes // self.block_size_bytes

    @property
    def bitmask_bytes_per_page(self) -> int:
        """Bytes of ``bitmask.dat`` for each page."""
        return self.blocks_per_page // 8

    @property
    def regions_per_page(self) -> int:
        """Entries of ``gaps.dat`` for each page."""
        return self.blocks_per_page // self.region_size_blocks

    def to_json(self) -> bytes:
        """The text of ``config.json``, spelled as Qdrant does."""
        return (
            f'{{"mode":"mutable","page_size_bytes":{self.page_size_bytes},'
            f'"block_size_bytes":{self.block_size_bytes},"region_size_blocks":{self.region_size_blocks},'
            f'"compression":"{self.compression}"}}'
        ).encode()

    @classmethod
    def read(cls, directory: Path) -> GridConfig:
        """The configuration of a store; unknown keys are ignored, missing ones have their defaults.

        Raises:
            CorruptedError: it is missing or says what it cannot say.
        """

        path = directory / CONFIG
        try:
            fields: Any = files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))
            if not isinstance(fields, dict):
                raise ValueError(f"expected an object, got {type(fields).__name__}")
            mode = fields.get("mode", "mutable")
            if mode != "mutable":
                raise ValueError(f"mode must be 'mutable', got {mode!r}")
            missing: Any = None  # refused like any other wrong value
            page, block = fields.get("page_size_bytes", missing), fields.get("block_size_bytes", missing)
            region = fields.get("region_size_blocks", missing)
            return cls(page, block, region, fields.get("compression", LZ4))
        except ValueError as error:
            raise CorruptedError(path, str(error)) from error
