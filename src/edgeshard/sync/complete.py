"""Whether a downloaded archive is whole: a server cannot say that it failed once it has begun to stream."""

from __future__ import annotations

import os
import re
from pathlib import Path

BLOCK = 512
LAST_ENTRY = b"shard_config.json"
MAX_HEADERS = 1_000_000
PAX_BYTES = 1 << 20
_PAX_SIZE = re.compile(rb"[0-9]+ size=([0-9]{1,20})\n")


def is_complete(path: Path) -> bool:
    """Whether an archive has an end mark, or at least its last entry, going from header to header.

    Only lengths are looked at; an archive that makes no sense counts as complete, and unpacking says what is wrong.
    """
    with open(path, "rb", buffering=0) as file:
        fd, total = file.fileno(), os.fstat(file.fileno()).st_size
        position, last, announced = 0, False, None
        for _ in range(MAX_HEADERS):
            block = os.pread(fd, BLOCK, position)
            if len(block) < BLOCK:
                return last
            if not any(block):
                return True
            size = _number(block[124:136]) if announced is None else announced
            if size is None:
                return True
            kind, more, position = block[156:157], block[482] if block[156:157] == b"S" else 0, position + BLOCK
            while more:
                extension = os.pread(fd, BLOCK, position)
                position += BLOCK
                more = extension[504] if len(extension) == BLOCK else 0
            announced = _announced(os.pread(fd, size, position)) if kind == b"x" and size <= PAX_BYTES else None
            last = block[:100].rstrip(b"\0") == LAST_ENTRY
            if position + size > total:
                return False
            position += -(-size // BLOCK) * BLOCK
        return True


def _number(field: bytes) -> int | None:
    """A size in octal or binary; None for what is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else None
    text = field.split(b"\0", 1)[0].strip(b" ")
    return int(text or b"0", 8) if not text.translate(None, b"01234567") else None


def _announced(pax: bytes) -> int | None:
    """The size a PAX header gives the entry after it."""
    found = _PAX_SIZE.search(pax)
    return int(found[1]) if found else None
