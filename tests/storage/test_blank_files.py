"""Memory stands in for a file that holds nothing yet, until the first flush puts the file in its place."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeshard.storage import overlay
from edgeshard.storage.checkpoint import Checkpointer
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.mapping import in_memory
from edgeshard.storage.overlay import PrivateFile

SIZE = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    if sys.platform != "linux":
        pytest.skip("another system: no file is mapped anew")
    on_disk = [place for place in (tmp_path, Path("/var/tmp"), Path.cwd()) if not in_memory(place.stat().st_dev)]
    if not on_disk:
        pytest.skip("all file systems are in memory")
    with tempfile.TemporaryDirectory(dir=on_disk[0]) as path:
        yield Path(path)


def is_mapped(path: Path) -> bool:
    return any(line.endswith(str(path)) for line in Path("/proc/self/maps").read_text().splitlines())


def flush(root: Path, *stores: PrivateFile | Gridstore) -> None:
    plan = FlushPlan()
    for store in stores:
        store.collect(plan)
    Checkpointer(root, None).flush(plan, 0, checkpoint=True)


def test_the_first_flush_puts_the_file_in_place(root):
    path = root / "file"
    file = PrivateFile.create(path, SIZE)
    view = file.array[5:9]
    assert not is_mapped(path)
    file.write(5, b"abcd", fresh=True)
    file.write(900_000, b"z")
    assert path.read_bytes() == bytes(SIZE)
    flush(root, file)
    assert is_mapped(path)
    assert view.tobytes() == b"abcd"  # what was handed out before shows the file now
    assert file.array.tobytes() == path.read_bytes()
    file.write(6, b"B")
    assert (view.tobytes(), path.read_bytes()[5:9]) == (b"aBcd", b"abcd")
    flush(root, file)
    assert path.read_bytes()[5:9] == view.tobytes() == b"aBcd"
    file.close()
    assert view.tobytes() == b"aBcd"
    del view
    assert not is_mapped(path)


def test_growing_before_the_first_flush_keeps_what_was_written(root):
    file = PrivateFile.create(root / "file", SIZE)
    file.write(SIZE - 2, b"xy")
    file.grow(2 * SIZE)
    file.write(SIZE, b"z")
    flush(root, file)
    assert (root / "file").read_bytes() == bytes(SIZE - 2) + b"xyz" + bytes(SIZE - 1) == file.array.tobytes()


@pytest.mark.parametrize("refusal", ["no memory", "not shown"])
def test_a_system_that_refuses(root, monkeypatch, refusal):
    if refusal == "no memory":
        monkeypatch.setattr(overlay, "map_blank", lambda size: None)
    else:
        monkeypatch.setattr(overlay, "show_file", lambda own, fd: False)
    file = PrivateFile.create(root / "file", SIZE)
    for number in range(3):
        file.write(number * 5000, bytes([number + 1]) * 100)
        flush(root, file)
        assert file.array.tobytes() == (root / "file").read_bytes()
    assert is_mapped(root / "file") == (refusal == "no memory")


def test_a_file_that_is_gone_by_then_leaves_the_memory(root):
    file = PrivateFile.create(root / "file", SIZE)
    file.write(3, b"abc")
    plan = FlushPlan()
    file.collect(plan)
    (root / "file").unlink()
    plan.done()
    assert file.array[3:6].tobytes() == b"abc"


def test_a_new_store_of_values(root):
    store = Gridstore.create(root / "store", page_size_bytes=SIZE)
    rng = np.random.default_rng(0)
    values = {slot: rng.bytes(int(rng.integers(1, 3000))) for slot in range(300)}
    for slot, value in values.items():
        store.put(slot, value)
    assert not is_mapped(root / "store" / "page_0.dat")
    flush(root, store)
    assert is_mapped(root / "store" / "page_0.dat")
    for slot in range(0, 300, 3):
        values[slot] = rng.bytes(50)
        store.put(slot, values[slot])
    assert all(store.get(slot) == value for slot, value in values.items())
    flush(root, store)
    store.close()
    again = Gridstore.open(root / "store")
    assert all(again.get(slot) == value for slot, value in values.items())
