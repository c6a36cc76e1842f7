"""A gridstore written in one go: the values of an immutable segment, packed from block 0 without holes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import StorageError
from edgeshard.storage import files
from edgeshard.storage import gridstore_config as names
from edgeshard.storage.gridstore_config import GridConfig

if TYPE_CHECKING:
    from edgeshard.storage.gridstore import Packed

_BATCH = 4096
"""Values coded at once: bounds the memory a long batch takes."""


def write_packed(
    directory: files.PathLike,
    batches: Iterable[list[bytes | None] | Packed],
    config: GridConfig | None = None,
    *,
    durable: bool = True,
) -> int:
    """Write a new store and return its number of slots.

    Args:
        directory: where to put it; made if it is missing. ``config.json``, which makes it a store, is
            written last.
        batches: values of the slots 0, 1, ... in order: lists of bytes (None for no value) or
            ``(data, bounds)``.
        config: sizes and compression, by default those of payloads.
        durable: sync the files and the directory.

    Raises:
        StorageError: the file system refused.
        ValueError: a value of 4 GiB or more.
    """
    config = config or GridConfig()
    path = Path(directory)
    try:
        files.disk.mkdir(path)
    except OSError as error:
        raise StorageError(error.errno, f"cannot create {path}: {error.strerror}") from error
    blocks, tables = 0, []
    with _Pages(path, config, durable) as pages:
        for batch in batches:
            for part in _parts(batch):
                data, table = _packed(part, config, blocks)
                pages.append(data)
                tables.append(table)
                blocks += len(data) // config.block_size_bytes
    table = np.concatenate(tables) if tables else np.zeros((0, 4), "<u4")
    header = np.array([len(table)], "<u4").tobytes()
    write_new(path / names.TRACKER, header + table.tobytes(), names.tracker_size(len(table)), durable)
    write_new(path / names.BITMASK, _full_bits(blocks), pages.count * config.bitmask_bytes_per_page, durable)
    write_new(path / names.GAPS, packed_gaps(config, blocks, pages.count), 0, durable)
    write_new(path / names.CONFIG, config.to_json(), 0, durable)
    if durable:
        files.disk.sync_directory(path)
    return len(table)


def free_gaps(config: GridConfig) -> bytes:
    """The entries of ``gaps.dat`` of one empty page."""
    return np.full(3 * config.regions_per_page, config.region_size_blocks, "<u2").tobytes()


def packed_gaps(config: GridConfig, used: int, pages: int) -> bytes:
    """``gaps.dat`` of a store whose first ``used`` blocks are taken."""
    starts = np.arange(pages * config.regions_per_page, dtype=np.int64) * config.region_size_blocks
    free = config.region_size_blocks - np.clip(used - starts, 0, config.region_size_blocks)
    leading = np.where(free == config.region_size_blocks, free, 0)
    return np.stack([free, leading, free], axis=1).astype("<u2").tobytes()


def write_new(path: Path, data: bytes, size: int, durable: bool) -> None:
    """Write a file, at least ``size`` bytes long (the rest is a hole), replacing any."""
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            files.disk.truncate(fd, max(size, len(data)))
            files.disk.pwrite(fd, data, 0)
            if durable:
                files.disk.sync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot write {path}: {error.strerror}") from error


def _full_bits(count: int) -> bytes:
    """``count`` one bits, least significant first."""
    return b"\xff" * (count // 8) + (bytes([(1 << count % 8) - 1]) if count % 8 else b"")


def _parts(batch: list[bytes | None] | Packed) -> Iterator[list[bytes | None] | Packed]:
    if isinstance(batch, tuple):
        data, bounds = batch
        for start in range(0, len(bounds) - 1, _BATCH):
            yield data, np.ascontiguousarray(bounds[start : start + _BATCH + 1], np.int64)
    else:
        for start in range(0, len(batch), _BATCH):
            yield batch[start : start + _BATCH]


def _packed(
    values: list[bytes | None] | Packed, config: GridConfig, first: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """The blocks of some values and their slots, the first one at block ``first`` of the store."""
    block_bytes, lz4 = config.block_size_bytes, config.compression == names.LZ4
    if isinstance(values, tuple):
        data, lengths = _native.pack_values(*values, block_bytes, lz4)
        present = np.ones(len(lengths), np.bool_)
    else:
        data, lengths = _native.pack_values(values, block_bytes, lz4)
        present = np.array([value is not None for value in values], np.bool_)
    blocks = -(-lengths.astype(np.int64) // config.block_size_bytes)
    starts = np.where(blocks > 0, first + np.cumsum(blocks) - blocks, 0)
    per_page = config.blocks_per_page
    return data, np.stack([present, starts // per_page, starts % per_page, lengths], axis=1).astype("<u4")


class _Pages:
    """Page files written from the first byte to the last; there is always at least one."""

    def __init__(self, directory: Path, config: GridConfig, durable: bool) -> None:
        self.directory = directory
        self.page_bytes = config.page_size_bytes
        self.durable = durable
        self.count = 0
        self._fd = -1
        self._at = 0

    def __enter__(self) -> _Pages:
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def append(self, data: npt.NDArray[np.uint8]) -> None:
        """Write the next bytes of the store."""
        while len(data):
            if self._at == self.page_bytes:
                self._next()
            part = data[: self.page_bytes - self._at]
            try:
                files.disk.pwrite(self._fd, part.data, self._at)
            except OSError as error:
                what = f"cannot write to {self.directory}: {error.strerror}"
                raise StorageError(error.errno, what) from error
            self._at += len(part)
            data = data[len(part) :]

    def _next(self) -> None:
        self._close()
        path = self.directory / names.page_name(self.count)
        write_new(path, b"", self.page_bytes, durable=False)
        self._fd = files.disk.open(path, os.O_WRONLY)
        self.count += 1
        self._at = 0

    def _close(self) -> None:
        if self._fd < 0:
            return
        try:
            if self.durable:
                files.disk.sync(self._fd)
        finally:
            os.close(self._fd)
            self._fd = -1
