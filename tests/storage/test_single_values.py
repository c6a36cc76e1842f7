"""Writing and reading one value is the same as doing so with several, and looks at no others."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from edgeshard.storage.dense import ChunkedDense
from edgeshard.storage.flags import Flags
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.multi import MultiDense
from edgeshard.storage.sparse import SparseStorage


def some_rows(rng: random.Random, most: int = 5) -> np.ndarray:
    count = rng.randint(1, most)
    return np.array([[rng.random() for _ in range(3)] for _ in range(count)], np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_multi_vectors_one_by_one_and_several_at_once(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    storage = MultiDense.create(tmp_path, 3, np.float32)
    known: dict[int, np.ndarray | None] = {}
    for _ in range(60):
        end = storage.count
        chosen = sorted(rng.sample(range(end + 4), rng.choice([1, 1, 1, 3])))
        if rng.random() < 0.2:
            storage.set_deleted(np.array(chosen, np.uint32))
            known.update(dict.fromkeys(chosen))
        else:
            given = [some_rows(rng) for _ in chosen]
            bounds = np.cumsum([0, *map(len, given)]).astype(np.int64)
            storage.put_batch(np.array(chosen, np.uint32), bounds, np.concatenate(given))
            known.update(zip(chosen, given, strict=True))
        first, count = storage.row_table()
        for some in (range(storage.count), range(0, storage.count, 9), range(storage.count - 1, storage.count)):
            wanted = np.array(some, np.uint32)
            firsts, counts, places = storage.rows_of(wanted)
            assert firsts[places].tolist() == first[wanted].tolist()
            assert counts[places].tolist() == count[wanted].tolist()
        for offset in range(storage.count):
            rows = known.get(offset)
            assert bool(storage.deleted_mask()[offset]) == (rows is None)
            if rows is not None:
                assert storage.get(offset).tolist() == rows.tolist()
                bounds, read = storage.get_batch(np.array([offset], np.uint32))
                assert bounds.tolist() == [0, len(rows)]
                assert read.tolist() == rows.tolist()
    storage.close()


def test_a_row_that_was_read_does_not_change(tmp_path: Path) -> None:
    storage = MultiDense.create(tmp_path, 3, np.float32)
    offset = np.zeros(1, np.uint32)
    storage.put(0, np.ones((2, 3), np.float32))
    _, read = storage.get_batch(offset)
    storage.put(0, np.zeros((2, 3), np.float32))
    assert read.tolist() == [[1.0] * 3] * 2
    storage.close()


def test_dense_rows_one_by_one(tmp_path: Path) -> None:
    storage = ChunkedDense.create(tmp_path, 2, np.float32)
    for offset in (0, 1, 4, 1):  # at the end, beyond it, and again
        storage.put(np.array([offset], np.uint32), np.full((1, 2), offset + 0.5, np.float32))
    assert storage.deleted_mask().tolist() == [False, False, True, True, False]
    storage.set_deleted(np.array([1], np.uint32))
    storage.put(np.array([1], np.uint32), np.full((1, 2), 9.0, np.float32))
    assert not storage.deleted_mask()[1]
    assert storage.get(np.array([0, 1, 4], np.uint32))[:, 0].tolist() == [0.5, 9.0, 4.5]
    storage.close()


def test_one_flag(tmp_path: Path) -> None:
    flags = Flags.create(tmp_path / "flags")
    flags.set_one(70, True)
    flags.set_one(3, True)
    flags.set_one(70, False)
    assert flags.count == 71
    assert np.flatnonzero(flags.mask(100)).tolist() == [3]
    assert flags.at(np.array([3, 70, 500], np.uint32)).tolist() == [True, False, False]
    assert flags.at(np.zeros(0, np.uint32)).tolist() == []


def test_one_sparse_vector_is_read_without_a_look_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SparseStorage.create(tmp_path)
    for offset in (0, 2, 5):
        storage.put(offset, np.array([offset], np.uint32), np.ones(1, np.float32))
    storage.remove(np.array([2], np.uint32))
    everyone = np.arange(8, dtype=np.uint32)
    assert storage.missing(everyone).tolist() == storage.deleted_mask(8).tolist()

    asked: list[int] = []
    present = Gridstore.present

    def spy(store: Gridstore, slots: np.ndarray | None = None) -> np.ndarray:
        asked.append(store.count if slots is None else len(slots))
        return present(store, slots)

    monkeypatch.setattr(Gridstore, "present", spy)
    indptr, indices, _ = storage.csr(np.array([5], np.uint32))
    assert (indptr.tolist(), indices.tolist()) == ([0, 1], [5])
    assert storage.missing(np.array([5], np.uint32)).tolist() == [False]
    assert max(asked) == 1
    storage.close()
