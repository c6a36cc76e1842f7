import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.convert import from_stored, to_stored
from edgeshard.storage.dense import ChunkedDense, MatrixDense
from edgeshard.storage.id_tracker import ImmutableIdTracker, MutableIdTracker

DATATYPES = {"float32": None, "float16": "Float16", "uint8": "Uint8"}


def offsets(*values):
    return np.array(values, np.uint32)


def make_config(dim, dtype, distance, on_disk=None, **more):
    name = DATATYPES[dtype]
    datatype = getattr(oracle.VectorStorageDatatype, name) if name else None
    params = oracle.EdgeVectorParams(size=dim, distance=distance, datatype=datatype, on_disk=on_disk)
    return {"vectors": params, **more}


def user_rows(rng, count, dim):
    rows = rng.standard_normal((count, dim)) * rng.choice([1e-5, 1, 30, 1e5], (count, 1))
    rows[3] = 0
    rows[4] /= max(np.linalg.norm(rows[4]), 1e-9)
    return rows.astype(np.float32)


@pytest.mark.parametrize("dtype", DATATYPES)
@pytest.mark.parametrize("dim", [1, 3, 15, 16, 31, 32, 33, 97, 384])
def test_stored_bytes_are_those_of_the_oracle(make_shard, rng, dim, dtype):
    shard, rows = make_shard(**make_config(dim, dtype, oracle.Distance.Cosine)), user_rows(rng, 60, dim)
    shard.upsert(list(enumerate(rows.tolist())))
    segment = next(s for s in shard.close() if (s / "mutable_id_tracker.mappings").exists())
    where = MutableIdTracker.open(segment).offsets_of(np.arange(60, dtype=np.uint64))
    stored = ChunkedDense.open(segment / "vector_storage", dim, dtype).get(where)
    assert stored.tobytes() == to_stored(rows, 0, dtype).tobytes()


def test_narrowing_follows_the_rules():
    values = np.array([[300, -4.7, 6.9, np.nan, 254.99, 0.99, -np.inf, np.inf]], np.float32)
    assert to_stored(np.tile(values, 5), 2, np.uint8).tolist() == [[255, 0, 6, 0, 254, 0, 0, 255] * 5]
    some = np.array([65519.9, 65520, 1e-8, 5.97e-8, 2.0**-25, 6.1e-5, -0.0, 1 / 3], np.float32)
    with np.errstate(over="ignore"):
        assert to_stored(some, 2, np.float16).tobytes() == some.astype(np.float16).tobytes()


@pytest.mark.parametrize("isa", ["scalar", "avx2"])
def test_half_precision_of_every_pattern(isa):
    """In a process of its own: the instruction set is chosen once."""
    import os
    import subprocess
    import sys

    code = (
        "import numpy as np; from edgeshard.storage.convert import to_stored, from_stored\n"
        "np.seterr(all='ignore'); half = np.arange(65536, dtype=np.uint16).view(np.float16)\n"
        "wide = from_stored(half); ok = ~np.isnan(half)\n"
        "assert (wide[ok] == half.astype(np.float32)[ok]).all() and np.isnan(wide[~ok]).all()\n"
        "w = wide[ok]; ends = np.float32(-np.inf), np.float32(np.inf)\n"
        "near = np.concatenate([np.nextafter(w, ends[0]), np.nextafter(w, ends[1]), w])\n"
        "near = np.concatenate([near, near * np.float32(1.00024414)])\n"
        "wanted = near.astype(np.float16).view(np.uint16)\n"
        "assert (to_stored(near, 2, np.float16).view(np.uint16) == wanted).all()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "EDGESHARD_CPU": isa})


def test_from_stored_widens(rng):
    rows = rng.integers(0, 255, (3, 5)).astype(np.uint8)
    assert (from_stored(rows) == rows).all()
    assert from_stored(rows).dtype == np.float32
    assert (from_stored(rows.astype(np.float16)) == rows).all()


@pytest.mark.parametrize("dtype", DATATYPES)
def test_random_puts_agree_with_an_array(tmp_path, rng, flush, dtype, monkeypatch):
    monkeypatch.setattr("edgeshard.storage.chunked.CHUNK_BYTES", 1 << 10)
    storage = ChunkedDense.create(tmp_path, 7, dtype)
    model, present = np.ones((0, 7), dtype), np.zeros(0, bool)
    for step in range(80):
        count = int(rng.integers(1, 60 if step % 3 else 150))  # few are written one by one, many together
        kind = rng.integers(3)
        first = len(model) + int(rng.integers(0, 3)) * int(kind == 1)
        if kind == 0:
            first = int(rng.integers(0, len(model) + 1))
        where = np.arange(first, first + count, dtype=np.uint32)
        if kind == 2:
            where = rng.permutation(len(model) + 5)[:count].astype(np.uint32)
        rows = to_stored(rng.standard_normal((len(where), 7)).astype(np.float32) * 100, 2, dtype)
        storage.put(where, rows)
        size = max(len(model), int(where.max()) + 1)
        model = np.concatenate([model, np.ones((size - len(model), 7), dtype)])
        present = np.concatenate([present, np.zeros(size - len(present), bool)])
        model[where], present[where] = rows, True
        gone = rng.integers(0, size, 3).astype(np.uint32)
        storage.set_deleted(gone)
        present[gone] = False
        if step % 9 == 0:
            flush(storage)
            assert storage.dirty_bytes == 0
            storage.close()
            storage = ChunkedDense.open(tmp_path, 7, dtype)
        assert storage.count == size
        assert np.concatenate(storage.chunks()).tobytes() == model.tobytes()
        assert (storage.deleted_mask() == ~present).all()
        assert (storage.get(where) == model[where]).all()
        assert (storage.row(size - 1) == model[-1]).all()
    assert len(storage.chunks()) > 2


def test_appended_rows_are_fresh_and_overwritten_ones_are_changes(tmp_path, flush):
    from edgeshard.storage.flush import FlushPlan

    storage = ChunkedDense.create(tmp_path, 4, np.float32)
    storage.put(offsets(0, 1), np.zeros((2, 4), np.float32))
    plan = flush(storage)
    assert [(p.name, at) for p, at, _ in plan.fresh] == [("chunk_0.mmap", 0)]
    assert [p.name for p, _, _ in plan.changes] == ["status.dat"]
    storage.put(offsets(1, 2), np.zeros((2, 4), np.float32))
    plan = FlushPlan()
    storage.collect(plan)
    assert [(p.name, at, len(b)) for p, at, b in plan.fresh] == [("chunk_0.mmap", 32, 16)]
    changes = [(p.name, at, len(b)) for p, at, b in plan.changes]
    assert changes == [("chunk_0.mmap", 16, 16), ("status.dat", 0, 8)]


def test_a_put_that_cannot_make_its_chunk_changes_nothing(tmp_path, monkeypatch, flush):
    monkeypatch.setattr("edgeshard.storage.chunked.CHUNK_BYTES", 64)
    storage = ChunkedDense.create(tmp_path, 4, np.float32)
    storage.put(offsets(0, 1, 2), np.zeros((3, 4), np.float32))
    flush(storage)

    class Full(files.Disk):
        def truncate(self, fd, size):
            raise OSError(28, "No space left on device")

    before = files.use_disk(Full())
    try:
        with pytest.raises(StorageError, match="No space"):
            storage.put(np.arange(2, 9, dtype=np.uint32), np.ones((7, 4), np.float32))
    finally:
        files.use_disk(before)
    assert (storage.count, storage.dirty_bytes) == (3, 0)
    assert not storage.get(offsets(0, 1, 2)).any()
    storage.put(np.arange(2, 9, dtype=np.uint32), np.ones((7, 4), np.float32))
    assert storage.count == 9


def test_vectors_lost_in_a_crash_become_placeholders(tmp_path):
    storage = ChunkedDense.create(tmp_path, 4, np.uint8)
    storage.put(offsets(0), np.full((1, 4), 9, np.uint8))
    storage.ensure_count(3)
    assert storage.get(offsets(0, 1, 2)).tolist() == [[9] * 4, [1] * 4, [1] * 4]
    assert storage.deleted_mask().tolist() == [False, True, True]


def test_worked_example_of_the_format_page(tmp_path, flush):
    """docs/format/dense-vectors.md"""
    storage = ChunkedDense.create(tmp_path / "chunked", 4, np.float32)
    rows = to_stored(np.array([[3, 4, 0, 0], [1, 0, 0, 0]], np.float32), 0, np.float32)
    storage.put(offsets(0, 2), rows)
    flush(storage)
    vectors = tmp_path / "chunked" / "vectors"
    config = b'{"chunk_size_bytes":33554432,"chunk_size_vectors":2097152,"dim":4}'
    assert (vectors / "config.json").read_bytes() == config
    assert (vectors / "status.dat").read_bytes() == bytes.fromhex("0300000000000000")
    stored = "9a99193f cdcc4c3f 00000000 00000000" + "0000803f" * 4 + "0000803f 00000000 00000000 00000000"
    assert (vectors / "chunk_0.mmap").read_bytes()[:48] == bytes.fromhex(stored)
    assert (vectors.parent / "deleted" / "flags_a.dat").read_bytes()[:1] == b"\x02"
    MatrixDense.write(tmp_path / "matrix", storage.chunks(), storage.deleted_mask())
    assert (tmp_path / "matrix" / "matrix.dat").read_bytes() == b"data" + bytes.fromhex(stored)
    assert (tmp_path / "matrix" / "deleted.dat").read_bytes() == b"drop\0\0\0\0\x02" + bytes(7)


@pytest.mark.parametrize("turbo", [False, True])
@pytest.mark.parametrize("dtype", DATATYPES)
def test_a_matrix_is_written_and_read(tmp_path, rng, flush, dtype, turbo):
    rows = rng.integers(0, 200, (100, 6)).astype(dtype)
    gone = rng.random(100) < 0.2
    MatrixDense.write(tmp_path, [rows[:30], rows[30:]], gone, turbo=turbo)
    matrix = MatrixDense.open(tmp_path, 6, dtype, turbo=turbo)
    assert (matrix.chunks()[0] == rows).all()
    assert (matrix.get(offsets(99, 0)) == rows[[99, 0]]).all()
    assert (matrix.deleted_mask() == gone).all()
    matrix.set_deleted(offsets(1, 64, 99))
    flush(matrix)
    gone[[1, 64, 99]] = True
    assert (MatrixDense.open(tmp_path, 6, dtype, turbo=turbo, read_only=True).deleted_mask() == gone).all()


@pytest.mark.parametrize("dtype", DATATYPES)
def test_matrix_of_the_oracle_both_ways(make_shard, rng, dtype):
    more = {"optimizers": oracle.EdgeOptimizersConfig(indexing_threshold=1)}
    params = make_config(64, dtype, oracle.Distance.Cosine, on_disk=True, **more)
    shard, rows = make_shard(**params), user_rows(rng, 300, 64)
    shard.upsert(list(enumerate(rows.tolist())))
    shard.shard.optimize()
    segment = next(s for s in shard.close() if (s / "id_tracker.mappings").exists())
    storage = segment / "vector_storage"
    matrix = MatrixDense.open(storage, 64, dtype)
    where = ImmutableIdTracker.open(segment).offsets_of(np.arange(300, dtype=np.uint64))
    assert matrix.get(where).tobytes() == to_stored(rows, 0, dtype).tobytes()
    assert not matrix.deleted_mask().any()
    replaced = to_stored(rows[::-1].copy(), 0, dtype)[np.argsort(where)]
    gone = np.zeros(300, bool)
    gone[where[0]] = True
    MatrixDense.write(storage, [replaced], gone)
    loaded = shard.reload()
    got = shard.vectors([0, 7])
    assert got[0] in (None, {})
    assert got[7] == from_stored(to_stored(rows[292], 0, dtype)).tolist()
    loaded.close()


@pytest.mark.parametrize("dtype", DATATYPES)
def test_the_oracle_reads_our_chunks(make_shard, rng, flush, dtype):
    shard, rows = make_shard(**make_config(5, dtype, oracle.Distance.Dot)), np.abs(user_rows(rng, 40, 5))
    shard.upsert([(n, [1.0] * 5) for n in range(40)])
    segment = next(s for s in shard.close() if (s / "mutable_id_tracker.mappings").exists())
    where = MutableIdTracker.open(segment).offsets_of(np.arange(40, dtype=np.uint64)).astype(np.uint32)
    storage = ChunkedDense.open(segment / "vector_storage", 5, dtype)
    stored = to_stored(rows, 2, dtype)
    storage.put(where, stored)
    storage.set_deleted(where[:1])
    flush(storage)
    loaded = shard.reload()
    got = shard.vectors(list(range(40)))
    assert got[0] in (None, {})
    assert all(got[n] == from_stored(stored[n]).tolist() for n in range(1, 40))
    loaded.close()


def test_damage_is_reported(tmp_path, flush):
    storage = ChunkedDense.create(tmp_path, 4, np.float32)
    storage.put(offsets(0, 1), np.zeros((2, 4), np.float32))
    flush(storage)
    vectors, deleted = tmp_path / "vectors", tmp_path / "deleted"
    too_small = b'{"chunk_size_bytes":8,"chunk_size_vectors":9,"dim":4}'
    damage = {
        vectors / "config.json": [b"", b"{", b"[]", b'{"dim":4}', too_small],
        vectors / "status.dat": [b"", b"\1", (2**40).to_bytes(8, "little"), b"\xff" * 8],
        vectors / "chunk_0.mmap": [b"", b"data"],
        deleted / "status.dat": [b"", b"\xff" * 16, b"\xff" * 8 + bytes(8)],
    }
    for path, contents in damage.items():
        original = path.read_bytes()
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(CorruptedError):
                ChunkedDense.open(tmp_path, 4, np.float32)
        path.write_bytes(original)
    (vectors / "chunk_0.mmap").unlink()
    with pytest.raises(CorruptedError, match="missing"):
        ChunkedDense.open(tmp_path, 4, np.float32)


def test_a_damaged_matrix_is_reported(tmp_path):
    MatrixDense.write(tmp_path, [np.zeros((70, 4), np.float32)], np.zeros(70, bool))
    for name in ("matrix.dat", "deleted.dat"):
        original = (tmp_path / name).read_bytes()
        for content in (b"", original[:3], original[:-9], b"x" + original[1:]):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(CorruptedError):
                MatrixDense.open(tmp_path, 4, np.float32)
        (tmp_path / name).write_bytes(original)
