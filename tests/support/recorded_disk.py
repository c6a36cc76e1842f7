"""What a process really did to a directory, recorded from outside by ``record_calls.c`` and ``record_raw_calls.c``.

:class:`SimulatedDisk` sees what goes through the package's own :class:`Disk`; this sees every call of the C library
and, on Linux, of the system, whoever makes it, and changes through shared mappings too. The records become the same
events, so that :class:`PowerLoss` can build from them what a disk may hold.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from simulated_disk import Event

SOURCES = [Path(__file__).parent / name for name in ("record_calls.c", "record_raw_calls.c")]
HEAD = struct.Struct("<BQqI")
WRITE, SIZE, SYNC, CREATE, MKDIR, UNLINK, RENAME, SYNC_DIRECTORY, LINK, MARK, RAW = range(1, 12)


def compile_recorder(folder: Path) -> Path:
    """The library to preload.

    Raises:
        OSError: there is no C compiler.
        subprocess.CalledProcessError: it refused.
    """
    library = folder / "record_calls.so"
    command = ["cc", "-O1", "-fPIC", "-shared", "-o", os.fspath(library), *map(os.fspath, SOURCES), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


def run_recorded(command: Sequence[str], base: Path, log: Path, library: Path, seconds: float = 300) -> Recording:
    """Run a program and record what it does below an empty directory.

    Raises:
        AssertionError: it failed.
    """
    environment = {
        **os.environ,
        "LD_PRELOAD": os.fspath(library),
        "EDGESHARD_RECORD_BASE": os.fspath(base),
        "EDGESHARD_RECORD_LOG": os.fspath(log),
    }
    child = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds)
    assert child.returncode == 0, child.stderr[-2000:]
    return Recording(log.read_bytes(), base.stat().st_ino)


def mark(text: str) -> None:
    """Say, in a process that is recorded, how far it is."""
    ctypes.CDLL(None).edgeshard_mark(text.encode())


class Recording:
    """Events as :class:`SimulatedDisk` has them.

    Args:
        log: the records.
        root: inode of the directory.

    Attributes:
        events: every change, in order.
        directories: numbers of the nodes that are directories.
        raw: calls that bypass the C library were seen too (Linux on x86-64, where seccomp filters are allowed).
        marks: ``(events so far, text)`` of each call of :func:`mark`.
    """

    def __init__(self, log: bytes, root: int) -> None:
        self.raw = False
        self.events: list[Event] = []
        self.directories = {0}
        self.marks: list[tuple[int, str]] = []
        self._nodes = {root: 0}
        self._count = 1
        position = 0
        while position < len(log):
            kind, inode, offset, length = HEAD.unpack_from(log, position)
            position += HEAD.size
            self._take(kind, inode, offset, log[position : position + length])
            position += length

    def _take(self, kind: int, inode: int, offset: int, data: bytes) -> None:
        if kind == RAW:
            self.raw = True
        elif kind == MARK:
            self.marks.append((len(self.events), data.decode()))
        elif kind in (CREATE, MKDIR):
            self._nodes[offset], self._count = self._count, self._count + 1
            if kind == MKDIR:
                self.directories.add(self._nodes[offset])
            self._note("link", inode, data.decode(), self._nodes[offset])
        elif kind == LINK:
            self._note("link", inode, data.decode(), self._nodes[offset])
        elif kind == UNLINK:
            self._note("unlink", inode, data.decode())
        elif kind == RENAME:
            folder, new, old = data.split(b"\0")
            self._note("rename", inode, new.decode(), self._nodes[offset], self._nodes[int(folder)], old.decode())
        elif kind == WRITE:
            self._note("write", inode, offset, data)
        elif kind == SIZE:
            self._note("size", inode, offset)
        else:
            self._note("sync" if kind == SYNC else "sync_directory", inode)

    def _note(self, kind: str, inode: int, *arguments: object) -> None:
        self.events.append(Event(kind, self._nodes[inode], arguments))
