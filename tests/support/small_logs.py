"""A log small enough to fill several segments with a few records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeshard.storage.wal import Wal

CAPACITY = 4000


def filled(directory: Path, payloads: Sequence[bytes], **options: Any) -> Sequence[bytes]:
    """A new log with these records, closed; the records again."""
    wal = Wal.create(directory, capacity_bytes=CAPACITY, **options)
    for payload in payloads:
        wal.append(payload)
    wal.close()
    return payloads


def contents(directory: Path, **options: Any) -> list[bytes]:
    """The records of a log, read without changing it."""
    wal = Wal.open(directory, read_only=True, **options)
    return [bytes(payload) for _, payload in wal.entries()]
