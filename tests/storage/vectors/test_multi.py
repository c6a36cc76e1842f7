import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.convert import to_stored
from edgeshard.storage.id_tracker import MutableIdTracker
from edgeshard.storage.multi import MultiDense


def stack(parts):
    indptr = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return indptr, np.concatenate(parts)


def some_rows(rng, count, dim=5):
    return rng.standard_normal((count, dim)).astype(np.float32)


def check(storage, model, long=()):
    per_chunk = storage._rows.per_chunk
    assert storage.count == len(model)
    first, count = storage.row_table()
    gone = storage.deleted_mask()
    for offset, rows in enumerate(model):
        assert gone[offset] == (rows is None)
        wanted = np.zeros((1, storage.dim), np.float32) if rows is None else rows
        assert (storage.get(offset) == wanted).all()
        assert count[offset] == len(wanted)
        if offset not in long:
            assert int(first[offset]) % per_chunk + len(wanted) <= per_chunk
    some = np.arange(len(model), dtype=np.uint32)[::-1]
    bounds, rows = storage.get_batch(some)
    for n, offset in enumerate(some.tolist()):
        assert (rows[bounds[n] : bounds[n + 1]] == storage.get(offset)).all()


def test_random_puts_agree_with_a_list(tmp_path, rng, flush, monkeypatch):
    monkeypatch.setattr("edgeshard.storage.chunked.CHUNK_BYTES", 20 * 16)
    storage, model, long = MultiDense.create(tmp_path, 5, np.float32), [], set()
    for step in range(60):
        many = 8 if step % 4 else 40  # few that fit are written one by one, many together
        where = rng.permutation(len(model) + 4)[: int(rng.integers(1, many))].astype(np.uint32)
        if step % 3 == 0:
            where = np.arange(len(model), len(model) + 5, dtype=np.uint32)
        parts = [some_rows(rng, int(rng.integers(1, 9 if step % 10 else 40))) for _ in where]
        storage.put_batch(where, *stack(parts))
        model += [None] * (int(where.max()) + 1 - len(model))
        for offset, rows in zip(where.tolist(), parts, strict=True):
            model[offset] = rows
            if len(rows) > storage._rows.per_chunk:
                long.add(offset)
        if step % 5 == 0:
            storage.set_deleted(where[:1])
            storage.set_deleted(where[:1], False)
        if step % 7 == 0:
            flush(storage)
            assert storage.dirty_bytes == 0
            storage = MultiDense.open(tmp_path, 5, np.float32)
        check(storage, model, long)


def test_rows_that_fit_are_replaced_in_place(tmp_path, rng):
    storage = MultiDense.create(tmp_path, 5, np.float32)
    storage.put(0, some_rows(rng, 4))
    first, _ = storage.row_table()
    rows = some_rows(rng, 2)
    storage.put(0, rows)
    assert (storage.get(0) == rows).all()
    assert (storage.row_table()[0] == first).all()
    storage.put(0, some_rows(rng, 4))
    assert storage.row_count == 4
    storage.put(0, some_rows(rng, 5))
    assert storage.row_count == 9


def test_points_without_the_vector_lose_it(tmp_path, rng):
    storage = MultiDense.create(tmp_path, 5, np.float32)
    parts = [some_rows(rng, n) for n in (2, 3, 1)]
    storage.put_batch(np.arange(3, dtype=np.uint32), *stack(parts), np.array([True, False, True]))
    check(storage, [parts[0], None, parts[2]])


def test_a_put_that_cannot_make_its_chunk_changes_nothing(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("edgeshard.storage.chunked.CHUNK_BYTES", 20 * 4)
    storage = MultiDense.create(tmp_path, 5, np.float32)
    rows = some_rows(rng, 3)
    storage.put(0, rows)

    class Full(files.Disk):
        def truncate(self, fd, size):
            raise OSError(28, "No space left on device")

    before = files.use_disk(Full())
    try:
        with pytest.raises(StorageError, match="No space"):
            storage.put_batch(np.array([0, 1], np.uint32), *stack([some_rows(rng, 2), some_rows(rng, 4)]))
    finally:
        files.use_disk(before)
    assert storage.count == 1
    assert (storage.get(0) == rows).all()


def test_few_points_that_do_not_fit_any_more_change_together(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("edgeshard.storage.chunked.CHUNK_BYTES", 20 * 4)
    storage = MultiDense.create(tmp_path, 5, np.float32)
    parts = [some_rows(rng, 1), some_rows(rng, 1)]
    storage.put_batch(np.arange(2, dtype=np.uint32), *stack(parts))

    class Full(files.Disk):
        def truncate(self, fd, size):
            raise OSError(28, "No space left on device")

    before = files.use_disk(Full())
    try:
        with pytest.raises(StorageError, match="No space"):
            storage.put_batch(np.arange(2, dtype=np.uint32), *stack([some_rows(rng, 1), some_rows(rng, 4)]))
    finally:
        files.use_disk(before)
    check(storage, parts)


def test_worked_example_of_the_format_page(tmp_path, flush):
    """docs/format/multi-vectors.md"""
    storage = MultiDense.create(tmp_path, 2, np.float32)
    storage.put(0, np.array([[1, 2], [3, 4]], np.float32))
    storage.put(1, np.array([[5, 6]], np.float32))
    storage.put(0, np.array([[7, 8]], np.float32))
    flush(storage)
    rows = np.fromfile(tmp_path / "vectors" / "chunk_0.mmap", "<f4", 6)
    assert rows.tolist() == [7, 8, 3, 4, 5, 6]
    entries = bytes.fromhex("00000000 01000000 02000000  02000000 01000000 01000000")
    assert (tmp_path / "offsets" / "chunk_0.mmap").read_bytes()[:24] == entries
    config = b'{"chunk_size_bytes":33554424,"chunk_size_vectors":2796202,"dim":1}'
    assert (tmp_path / "offsets" / "config.json").read_bytes() == config


def oracle_shard(make_shard, dim=3):
    params = oracle.EdgeVectorParams(
        size=dim,
        distance=oracle.Distance.Cosine,
        multivector_config=oracle.MultiVectorConfig(oracle.MultiVectorComparator.MaxSim),
    )
    return make_shard(vectors=params)


def test_oracle_both_ways(make_shard, rng, flush):
    shard = oracle_shard(make_shard)
    parts = [some_rows(rng, 1 + n % 4, 3) * 9 for n in range(30)]
    shard.upsert([(n, rows.tolist()) for n, rows in enumerate(parts)])
    segment = next(s for s in shard.close() if (s / "mutable_id_tracker.mappings").exists())
    storage = MultiDense.open(segment / "vector_storage", 3, np.float32)
    where = MutableIdTracker.open(segment).offsets_of(np.arange(30, dtype=np.uint64)).astype(np.uint32)
    for n, rows in enumerate(parts):
        assert storage.get(int(where[n])).tobytes() == to_stored(rows, 0, np.float32).tobytes()
    longer = [some_rows(rng, 6 - n % 5, 3) for n in range(30)]
    storage.put_batch(where, *stack(longer))
    storage.set_deleted(where[:1])
    flush(storage)
    loaded = shard.reload()
    got = shard.vectors(list(range(30)))
    assert got[0] in (None, {})
    assert all(got[n] == longer[n].tolist() for n in range(1, 30))
    loaded.close()


def test_damage_is_reported(tmp_path, rng, flush):
    storage = MultiDense.create(tmp_path, 5, np.float32)
    storage.put_batch(np.arange(3, dtype=np.uint32), *stack([some_rows(rng, 2)] * 3))
    flush(storage)
    with open(tmp_path / "offsets" / "chunk_0.mmap", "r+b") as file:
        file.seek(12)
        file.write((1000).to_bytes(4, "little"))
    with pytest.raises(CorruptedError, match="point 1"):
        MultiDense.open(tmp_path, 5, np.float32)
    (tmp_path / "vectors" / "status.dat").write_bytes(bytes(8))
    with pytest.raises(CorruptedError, match="point 0"):
        MultiDense.open(tmp_path, 5, np.float32)
