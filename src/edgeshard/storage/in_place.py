"""A number in a small file that grows: changed byte by byte where it stands, because a rename takes as long as a sync.

What is on the way from 19 to 20 must not be mistaken for what another engine may have written, as 29 could be. So the
digits behind the first that changes become blanks, from the right, before the first changes and they are filled in
again: ``19``, ``1_``, ``2_``, ``20``. Each step is one byte, which nothing tears; each content is JSON with a number
no greater than the new one; and no engine writes a blank behind a digit.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edgeshard.storage import files

SECTOR_BYTES = 512
"""What a disk writes whole or not at all, whatever its kind."""
_DIGITS = b"0123456789"
_BLANK = b" "
Step = tuple[int, bytes]


def steps(before: bytes, after: bytes) -> list[Step] | None:
    """The bytes to write one after the other, each with its offset, to change one content into another.

    Returns:
        None if that cannot be done: the contents differ in length, or in more than one byte and not in one number
        that lies in one sector.
    """
    if len(before) != len(after):
        return None
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    if not len(changed):
        return []
    first, last = int(changed[0]), int(changed[-1])
    new = [(at, after[at : at + 1]) for at in range(first, last + 1)]
    if first == last:
        return new
    stop = first
    while stop < len(before) and before[stop] in _DIGITS and after[stop] in _DIGITS:
        stop += 1
    if stop <= last or first // SECTOR_BYTES != (stop - 1) // SECTOR_BYTES:
        return None
    blanks = [(at, _BLANK) for at in range(stop - 1, first, -1)]
    return blanks + [(at, after[at : at + 1]) for at in range(first, stop)]


def contents(before: bytes, after: bytes) -> list[bytes]:
    """What a crash may leave of a change: the old content, those of :func:`steps`, and the new one."""
    found, content = [before], bytearray(before)
    for at, byte in steps(before, after) or ():
        content[at : at + 1] = byte
        found.append(bytes(content))
    return found if found[-1] == after else [*found, after]


def overwrite(path: Path, data: bytes) -> bool:
    """Change a file to its new content where it stands.

    Returns:
        False if nothing was done: the file is missing, or there are no :func:`steps` to the new content.
    """
    try:
        fd = files.disk.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        before = os.pread(fd, len(data) + 1, 0)
        found = steps(before, data)
        for at, byte in found or ():
            files.disk.pwrite(fd, byte, at)
    finally:
        os.close(fd)
    return found is not None
