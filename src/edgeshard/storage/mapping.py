"""Mapping files into memory, without a descriptor for each, and without the risk of a SIGBUS on a full file system.

A shard maps a file for each page of payloads, chunk of vectors and so on, and a process may have many shards open: if
each mapping kept a descriptor, as those of Python do before 3.13, the usual limit of 1,024 would be a limit of data.

Touching a hole of a mapped file costs no room on ordinary file systems. On a tmpfs it does, even for a look, and when
there is none the process gets a SIGBUS. Of files with holes on such a file system only what they hold is mapped, in
the midst of memory of our own that stands for the holes; what is written to them goes through ``pwrite``, which can
refuse.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from edgeshard.storage import files

MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "hugetlbfs")
_BLOCK_BYTES = 1 << 20
_LEAST_MAPPED_BYTES = 1 << 16
"""Parts of a file with holes that are shorter are copied: no room is wasted on them, and there may be many."""
_MAP_FIXED = 0x10
"""As Linux defines it for all processors but Alpha and PA-RISC, where nothing is mapped; Python has no name for it."""
_MAP_NORESERVE = 0x4000
"""As Linux defines it for x86, Arm and RISC-V; likewise. It is only a wish."""
_MOUNTS = "/proc/self/mountinfo"
_TELLS_HOLES = hasattr(os, "SEEK_DATA") and sys.platform != "darwin"
"""Whether the system can be asked for holes. macOS takes for one what was written and is not on the disk yet, so that
copies made by its answers lost data (GNU ``cp`` 9.0, ``qemu-img``); there all of a file is data."""


def map_file(fd: int, *, read_only: bool) -> tuple[mmap.mmap, bool]:
    """The bytes of a file that is not empty.

    Args:
        fd: the open file; may be closed afterwards.
        read_only: refuse changes; otherwise they are private.

    Returns:
        The mapping, and whether parts of it are memory of our own, which must not be given back to the system.

    Raises:
        OSError: it cannot be mapped or read.
    """
    status = os.fstat(fd)
    size = status.st_size
    if status.st_blocks * 512 >= size or not in_memory(status.st_dev):
        return _map_whole(fd, size, read_only=read_only), False
    own = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with memoryview(own) as view:
        for start, stop in extents(fd, size):
            if stop - start >= _LEAST_MAPPED_BYTES and _map_into(own, fd, start, stop, read_only=read_only):
                continue
            for at in range(start, stop, _BLOCK_BYTES):
                _fill(fd, view[at : min(at + _BLOCK_BYTES, stop)], at)
    return own, True


def map_blank(size: int) -> mmap.mmap | None:
    """Zeroes to stand for a file that holds nothing yet; None where :func:`show_file` cannot put the file there later.

    To write to a mapped hole fills the system's cache with zeroes first, as many as it reads ahead, only to copy them.
    """
    if sys.platform != "linux" or _mmap() is None:
        return None
    try:
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    except OSError:  # a limit on addresses: the file is mapped already, and will do
        return None


def show_file(own: mmap.mmap, fd: int) -> bool:
    """Let memory from :func:`map_blank` show a file, which holds by now what is there, and forget its own; readers see
    no difference. False, and nothing is done, if the system refuses."""
    return _map_into(own, fd, 0, len(own), read_only=False)


def _map_whole(fd: int, size: int, *, read_only: bool) -> mmap.mmap:
    """A mapping of a file that keeps no descriptor of it, where the system allows."""
    access = mmap.ACCESS_READ if read_only else mmap.ACCESS_COPY
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, size, access=access, trackfd=False)
    if sys.platform == "linux":
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        own = mmap.mmap(-1, size, flags=flags, prot=_protection(read_only))
        if _map_into(own, fd, 0, size, read_only=read_only):
            return own
    return mmap.mmap(fd, size, access=access)


def _protection(read_only: bool) -> int:
    return mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE


def _map_into(own: mmap.mmap, fd: int, start: int, stop: int, *, read_only: bool) -> bool:
    """Let a part of a mapping show the same part of a file, privately; False if the system refuses, or cannot.

    The new mapping takes the place of the old, which frees it with its own. Should a system that refuses have taken the
    old away, copying into it is an error, not a crash: the kernel looks where it writes.
    """
    call = _mmap()
    if call is None or start % mmap.PAGESIZE:
        return False
    at: int = np.frombuffer(own, np.uint8).__array_interface__["data"][0] + start
    found: int | None = call(at, stop - start, _protection(read_only), mmap.MAP_PRIVATE | _MAP_FIXED, fd, start)
    return found == at


@cache
def _mmap() -> Any:
    """The system's call; None where there is none, or offsets may be more than it takes."""
    import ctypes

    call = getattr(ctypes.CDLL(None), "mmap", None)
    if call is None or ctypes.sizeof(ctypes.c_long) < 8:
        return None
    call.restype = ctypes.c_void_p
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    return call


def _fill(fd: int, target: memoryview, offset: int) -> None:
    """Read as many bytes as there is room for, or as the file has."""
    while target.nbytes:
        count = files.read_into(fd, target, offset)
        if not count:
            return
        target, offset = target[count:], offset + count


def in_memory(device: int) -> bool:
    """Whether a device is a file system in memory, where every page that is touched takes room."""
    if os.major(device):  # a disk; those have none of their own, as other file systems without one disk
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
            lines = mounts.read().splitlines()
    except FileNotFoundError:  # not Linux
        return False
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if mount.split(" ")[2] == wanted:
            return kind.split(" ")[0] in MEMORY_FILE_SYSTEMS
    return False


def extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Parts of a file that are not holes; all of it where the file system cannot tell."""
    at = 0
    while at < size:
        start = next_data(fd, at)
        if start is None or start >= size:
            return
        at = min(_next_hole(fd, start, size), size)
        yield start, at


def is_hole_from(fd: int, offset: int) -> bool:
    """Whether a file holds nothing from a place to its end, as far as the file system can tell."""
    return next_data(fd, offset) is None


def next_data(fd: int, at: int) -> int | None:
    """Where a file holds data, from a place on: that place itself where nobody can tell, None if it holds no more.

    Raises:
        OSError: the file cannot be looked at.
    """
    try:
        return os.lseek(fd, at, os.SEEK_DATA) if _TELLS_HOLES else at
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        if error.errno not in files.NOT_SUPPORTED:
            raise
        return at


def _next_hole(fd: int, at: int, size: int) -> int:
    try:
        return os.lseek(fd, at, os.SEEK_HOLE) if _TELLS_HOLES else size
    except OSError as error:
        if error.errno not in files.NOT_SUPPORTED:
            raise
        return size
