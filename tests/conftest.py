"""Where the tests keep their shards: in memory where there is room for them; and how long a test may take.

The suite makes thousands of shards, each of dozens of files with room reserved in them; on a disk half of its time goes
into making and removing those. What a disk may do to files is tested with simulated and recorded ones, not with the
real one, so nothing is lost. ``TMPDIR`` or ``--basetemp`` name another place.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    # Examples have no time limit: on a busy machine, or under a sanitizer, any of them may take long.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    if "TMPDIR" in os.environ or config.option.basetemp is not None or not has_room():
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)  # for processes that tests start, and for this one


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A long form takes longer than other tests may, and a trace that is dumped while it goes on can crash Python."""
    if item.get_closest_marker("long") is not None:
        faulthandler.cancel_dump_traceback_later()


def has_room() -> bool:
    """Whether files in memory may take as much as the suite could need, and as much again is left."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES):
        return False
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return False
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    return available >= 2 * ROOM_BYTES
