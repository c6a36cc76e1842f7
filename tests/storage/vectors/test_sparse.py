import struct

import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.id_tracker import MutableIdTracker
from edgeshard.storage.sparse import SparseStorage


def some_vector(rng, count, top=2**32):
    indices = np.sort(rng.choice(top, count, replace=False) if top < 10**6 else rng.integers(0, top, count))
    return indices.astype(np.uint32), rng.standard_normal(count).astype(np.float32)


def stack(vectors):
    indptr = np.cumsum([0, *(len(v[0]) for v in vectors)]).astype(np.int64)
    return indptr, np.concatenate([v[0] for v in vectors]), np.concatenate([v[1] for v in vectors])


def equal(got, wanted):
    if wanted is None or got is None:
        return got is wanted
    return got[0].tolist() == wanted[0].tolist() and got[1].tobytes() == wanted[1].tobytes()


@pytest.mark.parametrize("top", [200, 40000, 2**31, 2**32])
def test_packing_round_trips(rng, top):
    vectors = [some_vector(rng, n, top) for n in [0, 1, 2, 3, 7, 100]]
    indptr, indices, values = stack(vectors)
    again = _native.unpack_sparse(*_native.pack_sparse(indptr, indices, values))
    assert [a.tolist() for a in again] == [indptr.tolist(), indices.tolist(), values.tolist()]


def test_unsorted_indices_are_sorted_with_their_values():
    packed = _native.pack_sparse(
        np.array([0, 3], np.int64), np.array([9, 1, 5], np.uint32), np.array([0.9, 0.1, 0.5], np.float32)
    )
    _, indices, values = _native.unpack_sparse(*packed)
    assert indices.tolist() == [1, 5, 9]
    assert values.tolist() == np.array([0.1, 0.5, 0.9], np.float32).tolist()


def test_worked_example_of_the_format_page():
    """docs/format/sparse-vectors.md"""
    data, bounds = _native.pack_sparse(
        np.array([0, 3], np.int64), np.array([3, 10, 300], np.uint32), np.array([1, 2, 0.5], np.float32)
    )
    wanted = "0500000000000000 c180032201 0300000000000000 0000803f 00000040 0000003f"
    assert data.tobytes().hex(" ") == bytes.fromhex(wanted).hex(" ")
    assert bounds.tolist() == [0, 33]


def test_damaged_values_are_refused(rng):
    data, bounds = _native.pack_sparse(*stack([some_vector(rng, 20, 40000)]))
    for cut in range(1, len(data)):
        with pytest.raises(ValueError, match="vector 0"):
            _native.unpack_sparse(data[:cut], np.array([0, cut], np.int64))
    for at in range(len(data) * 8):
        flipped = data.copy()
        flipped[at // 8] ^= 1 << at % 8
        try:
            indptr, indices, _ = _native.unpack_sparse(flipped, bounds)
            assert indptr.tolist() == [0, len(indices)]
        except ValueError:
            continue
    with pytest.raises(ValueError, match="bounds"):
        _native.unpack_sparse(data, np.array([0, len(data) + 1], np.int64))
    with pytest.raises(ValueError, match="bounds"):
        _native.unpack_sparse(data, np.array([0, 9, 5], np.int64))


def check(storage, model):
    assert storage.count == len(model)
    assert storage.deleted_mask().tolist() == [v is None for v in model]
    assert all(equal(storage.get(n), v) for n, v in enumerate(model))
    empty = (np.zeros(0, np.uint32), np.zeros(0, np.float32))
    order = np.arange(len(model), dtype=np.uint32)[::-1]
    for got, vectors in ((storage.csr(), model), (storage.csr(order), model[::-1])):
        wanted = stack([empty if v is None else v for v in vectors])
        assert [a.tolist() for a in got] == [a.tolist() for a in wanted]


def test_random_changes_agree_with_a_list(tmp_path, rng, flush):
    storage, model = SparseStorage.create(tmp_path), []
    for step in range(40):
        where = rng.permutation(len(model) + 4)[: int(rng.integers(1, 8))].astype(np.uint32)
        vectors = [some_vector(rng, int(rng.integers(0, 30)), 5000) for _ in where]
        storage.put_batch(where, *stack(vectors))
        model += [None] * (int(where.max()) + 1 - len(model))
        for offset, vector in zip(where.tolist(), vectors, strict=True):
            model[offset] = vector
        gone = rng.integers(0, len(model) + 1, 2).astype(np.uint32)
        storage.set_deleted(gone)
        model += [None] * (int(gone.max()) + 1 - len(model))
        for offset in gone.tolist():
            model[offset] = None
        if step % 6 == 0:
            flush(storage)
            storage.close()
            storage = SparseStorage.open(tmp_path)
        check(storage, model)


def test_points_without_the_vector_lose_it(tmp_path, rng):
    storage = SparseStorage.create(tmp_path)
    vectors = [some_vector(rng, n + 1, 500) for n in range(4)]
    everyone = np.arange(4, dtype=np.uint32)
    storage.put_batch(everyone, *stack(vectors))
    storage.put_batch(everyone, *stack(vectors[::-1]), np.array([True, False, True, False]))
    check(storage, [vectors[3], None, vectors[1], None])
    storage.remove(everyone)
    check(storage, [None] * 4)


def test_oracle_both_ways(make_shard, rng, flush):
    shard = make_shard(sparse_vectors={"words": oracle.EdgeSparseVectorParams()})
    vectors = [some_vector(rng, n, 40000 if n % 2 else 90) for n in range(30)]
    as_oracle = [oracle.SparseVector(i.tolist(), v.tolist()) for i, v in vectors]
    shard.upsert([(n, {"words": v}) for n, v in enumerate(as_oracle)])
    segment = next(s for s in shard.close() if (s / "mutable_id_tracker.mappings").exists())
    storage = SparseStorage.open(segment / "vector_storage-words")
    where = MutableIdTracker.open(segment).offsets_of(np.arange(30, dtype=np.uint64)).astype(np.uint32)
    assert all(equal(storage.get(int(where[n])), vectors[n]) for n in range(30))
    for n, (indices, values) in enumerate(vectors):
        stored = storage._store.get(int(where[n]))
        assert _native.pack_sparse(np.array([0, n], np.int64), indices, values)[0].tobytes() == stored
    changed = [some_vector(rng, 25 - n % 20, 2**20) for n in range(30)]
    storage.put_batch(where, *stack(changed))
    storage.set_deleted(where[:1])
    flush(storage)
    loaded = shard.reload()
    got = shard.vectors(list(range(30)))
    assert got[0] in (None, {})
    for n in range(1, 30):
        assert list(got[n]["words"].indices) == changed[n][0].tolist()
        assert np.array(got[n]["words"].values, np.float32).tolist() == changed[n][1].tolist()
    loaded.close()


def test_a_damaged_value_is_reported(tmp_path, rng, flush):
    storage = SparseStorage.create(tmp_path)
    storage._store.put(0, struct.pack("<QQ", 5, 1))
    with pytest.raises(CorruptedError, match="damaged sparse vector"):
        storage.get(0)
    with pytest.raises(CorruptedError, match="damaged sparse vector"):
        storage.csr()
