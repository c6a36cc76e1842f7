"""The files of an immutable segment's id tracker, for building segments. The caller makes them durable."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import StorageError
from edgeshard.storage import files
from edgeshard.storage.bitset_file import encode_stored_bitmask
from edgeshard.storage.id_tracker.base import Mask, Versions
from edgeshard.storage.id_tracker.disk import (
    E2I_FILE,
    E2I_MAGIC,
    FORMAT_VERSION,
    I2E_FILE,
    I2E_HEADER,
    I2E_MAGIC,
    IS_UUID_FILE,
)
from edgeshard.storage.id_tracker.fixed import DELETED_FILE, VERSIONS_FILE
from edgeshard.storage.id_tracker.immutable import MAPPINGS_FILE

NUMBERS_PER_BLOCK, UUIDS_PER_BLOCK = 1365, 819
"""What fits 16 KiB of 12- and 20-byte entries."""

U64s = npt.NDArray[np.uint64]


def write_immutable_tracker(directory: files.PathLike, lo: U64s, hi: U64s, is_uuid: Mask, versions: Versions) -> None:
    """Write the in-memory form.

    Args:
        directory: the segment.
        lo: ``(n,)`` low halves of the ids by offset (see :meth:`IdTracker.ids_arrays`).
        hi: ``(n,)`` high halves.
        is_uuid: ``(n,)`` which ids are UUIDs.
        versions: ``(n,)`` versions by offset.
    """
    write_file(Path(directory) / MAPPINGS_FILE, _native.encode_id_table(lo, hi, is_uuid).tobytes())
    _write_states(Path(directory), versions)


def write_disk_tracker(directory: files.PathLike, lo: U64s, hi: U64s, is_uuid: Mask, versions: Versions) -> None:
    """Write the on-disk form; arguments as for :func:`write_immutable_tracker`."""
    directory = Path(directory)
    keys = np.empty((len(lo), 2), "<u8")
    keys[:, 0], keys[:, 1] = lo, np.where(is_uuid, hi, np.uint64(0))
    head = I2E_HEADER.pack(I2E_MAGIC, FORMAT_VERSION, 0, len(lo), 0)
    write_file(directory / I2E_FILE, head + keys.tobytes())
    write_file(directory / IS_UUID_FILE, encode_stored_bitmask(is_uuid))
    write_file(directory / E2I_FILE, encode_e2i(lo, hi, is_uuid))
    _write_states(directory, versions)


def encode_e2i(lo: U64s, hi: U64s, is_uuid: Mask) -> bytes:
    """The search structure from ids to offsets: block tables, then sorted runs of numbers and of UUIDs."""
    numbers, uuids = np.flatnonzero(~is_uuid), np.flatnonzero(is_uuid)
    number_run = np.empty(len(numbers), [("key", "<u8"), ("offset", "<u4")])
    numbers = numbers[np.argsort(lo[numbers], kind="stable")]
    number_run["key"], number_run["offset"] = lo[numbers], numbers
    uuid_run = np.empty(len(uuids), [("key", "<u8", 2), ("offset", "<u4")])
    uuids = uuids[np.lexsort((lo[uuids], hi[uuids]))]
    uuid_run["key"][:, 0], uuid_run["key"][:, 1], uuid_run["offset"] = lo[uuids], hi[uuids], uuids
    counts = (len(numbers), len(uuids), NUMBERS_PER_BLOCK, UUIDS_PER_BLOCK, 0)
    out = bytearray(struct.pack("<QIIQQIIQ", E2I_MAGIC, FORMAT_VERSION, 0, *counts))
    tables = (number_run["key"][::NUMBERS_PER_BLOCK], uuid_run["key"][::UUIDS_PER_BLOCK])
    for section in (*tables, number_run, uuid_run):
        out += b"\0" * (-len(out) % 16)
        out += section.tobytes()
    return bytes(out)


def _write_states(directory: Path, versions: Versions) -> None:
    write_file(directory / VERSIONS_FILE, versions.astype("<u8").tobytes())
    write_file(directory / DELETED_FILE, bytes((len(versions) + 63) // 64 * 8))


def write_file(path: Path, data: bytes) -> None:
    """Write a new file; the caller syncs it."""
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            files.disk.pwrite(fd, data, 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot write {path}: {error.strerror}") from error
