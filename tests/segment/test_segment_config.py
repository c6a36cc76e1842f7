"""`segment.json` and `version.info`: round trips of what 0.9.0 writes, and what is refused."""

import json

import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.segment.config import read_segment_config, write_version

m = oracle


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A shard with an immutable segment and an appendable one, and every kind of vector."""
    path = tmp_path_factory.mktemp("shard")
    dense, multi = m.EdgeVectorParams, m.MultiVectorConfig(m.MultiVectorComparator.MaxSim)
    config = m.EdgeConfig(
        vectors={
            "a": dense(16, m.Distance.Dot, on_disk=True),
            "b": dense(16, m.Distance.Cosine, datatype=m.VectorStorageDatatype.Float16, multivector_config=multi),
            "c": dense(16, m.Distance.Euclid, datatype=m.VectorStorageDatatype.Uint8),
        },
        sparse_vectors={"s": m.EdgeSparseVectorParams(modifier=m.Modifier.Idf, memory=m.Memory.Cold)},
        quantization_config=m.BinaryQuantizationConfig(encoding=m.BinaryQuantizationEncoding.TwoBits),
        hnsw_config=m.HnswIndexConfig(8, 32, 10, payload_m=4, memory=m.Memory.Cold),
        optimizers=m.EdgeOptimizersConfig(indexing_threshold=1),
        payload_memory=m.Memory.Cached,
        id_tracker_memory=m.Memory.Cold,
    )
    loaded = m.EdgeShard.create(str(path), config)
    rows = np.random.default_rng(5).random((200, 16), np.float32)
    weights = m.SparseVector(list(range(60)), [1.0] * 60)
    points = [m.Point(i, {"a": row, "b": [row.tolist()], "c": row, "s": weights}) for i, row in enumerate(rows)]
    loaded.update(m.UpdateOperation.upsert_points(points))
    loaded.optimize()
    loaded.close()
    return path


def segments(path):
    return [segment for segment in sorted((path / "segments").iterdir()) if not segment.name.startswith(".")]


def test_round_trip(shard):
    states = [json.loads((segment / "segment.json").read_bytes()) for segment in segments(shard)]
    read = [read_segment_config(segment) for segment in segments(shard)]
    assert [json.loads(config.to_json()) for config in read] == states
    assert {config.appendable for config in read} == {True, False}


def test_the_oracle_reads_what_we_write(shard):
    for segment in segments(shard):
        (segment / "segment.json").write_bytes(read_segment_config(segment).to_json())
        write_version(segment)
    loaded = m.EdgeShard.load(str(shard))
    assert loaded.count(m.CountRequest()) == 200


@pytest.fixture
def segment(tmp_path, shard):
    source = segments(shard)[0]
    for name in ("segment.json", "version.info"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    return tmp_path


def test_unknown_keys_and_new_kinds_are_tolerated(segment):
    state = json.loads((segment / "segment.json").read_bytes())
    state["new"], state["config"]["new"] = 1, {}
    state["config"]["vector_data"]["c"]["storage_type"] = "Empty"
    state["config"]["sparse_vector_data"]["s"]["storage_type"] = "empty"
    (segment / "segment.json").write_text(json.dumps(state))
    config = read_segment_config(segment)
    assert config.vector_data["c"].storage_type == "Empty"
    assert config.sparse_vector_data["s"].storage_type == "empty"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("0.7.0", StorageError, "Data version 0.7.0 is newer than application version 0.6.0"),
        ("1.0.0", StorageError, "Data version 1.0.0 is newer than application version 0.6.0"),
        ("zero", CorruptedError, "Can't parse version from"),
        ("", CorruptedError, "Can't parse version from"),
        ("0.2.0", StorageError, "too old"),
        ("0.5.0", CorruptedError, "failed to load segment"),
    ],
)
def test_versions(segment, text, kind, message):
    (segment / "version.info").write_text(text)
    with pytest.raises(kind, match=message):
        read_segment_config(segment)


def test_missing_version_is_an_error(segment):
    (segment / "version.info").unlink()
    with pytest.raises(CorruptedError, match="the file is missing"):
        read_segment_config(segment)


def test_old_files_are_migrated(segment):
    (segment / "version.info").write_text("0.5.0")
    graph = {
        "m": 16,
        "ef_construct": 100,
        "full_scan_threshold": 10000,
        "max_indexing_threads": 0,
        "on_disk": False,
    }
    old = {
        "version": 7,
        "config": {
            "vector_data": {
                "a": {"size": 4, "distance": "Dot", "on_disk": True, "hnsw_config": graph},
                "b": {"size": 4, "distance": "Cosine", "on_disk": True},
            },
            "index": {"type": "plain", "options": {}},
            "storage_type": {"type": "mmap"},
            "payload_storage_type": {"type": "mmap"},
        },
    }
    (segment / "segment.json").write_text(json.dumps(old))
    config = read_segment_config(segment)
    assert config.version == 7
    assert config.vector_data["a"].index == {"type": "hnsw", "options": graph}
    assert config.vector_data["b"].is_plain
    assert not config.appendable


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'{"config":{"vector_data":[]}}', b'{"config":5}', b"\xff"]
)
def test_damaged_file(segment, text):
    (segment / "segment.json").write_bytes(text)
    with pytest.raises(CorruptedError, match="failed to load segment"):
        read_segment_config(segment)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), -1),
        (("version",), "x"),
        (("config", "vector_data", "a", "size"), 0),
        (("config", "vector_data", "a", "size"), True),
        (("config", "vector_data", "a", "size"), (1 << 23) + 1),
        (("config", "vector_data", "a", "distance"), "Hamming"),
        (("config", "vector_data", "a", "storage_type"), "Memory"),
        (("config", "vector_data", "a", "index"), {"type": "tree"}),
        (("config", "vector_data", "a", "index"), {"type": "hnsw", "options": None}),
        (("config", "vector_data", "a", "index"), {"type": "hnsw", "options": {"m": "many"}}),
        (("config", "vector_data", "a", "index"), {"type": "hnsw", "options": {"m": 16, "ef_construct": 2**70}}),
        (("config", "vector_data", "a", "quantization_config"), 3),
        (("config", "vector_data", "a", "quantization_config"), {"scalar": {"type": "int7"}}),
        (("config", "vector_data", "a", "multivector_config"), {"comparator": "min_sim"}),
        (("config", "vector_data", "b", "datatype"), "float8"),
        (("config", "sparse_vector_data", "s", "index", "full_scan_threshold"), "low"),
        (("config", "sparse_vector_data", "s", "index", "datatype"), 16),
        (("config", "sparse_vector_data", "s", "index", "memory"), "warm"),
        (("config", "sparse_vector_data", "s", "modifier"), ["idf"]),
        (("config", "sparse_vector_data", "s", "storage_type"), "on_disk"),
        (("config", "sparse_vector_data", "s", "index", "index_type"), "Rocks"),
        (("config", "sparse_vector_data"), {"../../../x": {"index": {"index_type": "MutableRam"}}}),
        (("config", "payload_storage_type", "type"), "rocksdb"),
        (("config", "id_tracker_memory"), 5),
    ],
)
def test_values_out_of_range_are_refused(segment, keys, value):
    state = json.loads((segment / "segment.json").read_bytes())
    target = state
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    (segment / "segment.json").write_text(json.dumps(state))
    with pytest.raises(CorruptedError, match="failed to load segment"):
        read_segment_config(segment)
