"""`edge_config.json` against 0.9.0: what it writes, how it merges, what it derives."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard.errors import CorruptedError, ValidationError
from edgeshard.models import config, enums, quantization
from edgeshard.segment.config import read_segment_config
from edgeshard.shard import config as configs

OURS = SimpleNamespace()
for module in (config, enums, quantization):
    vars(OURS).update({name: getattr(module, name) for name in module.__all__})


def hnsw(m, **options):
    return m.HnswIndexConfig(m=8, ef_construct=32, full_scan_threshold=10, **options)


def all_configs(m):
    """Configurations that between them set everything, built with the classes of either module."""
    dense, distance, memory, datatype = m.EdgeVectorParams, m.Distance, m.Memory, m.VectorStorageDatatype
    multi = m.MultiVectorConfig(m.MultiVectorComparator.MaxSim)
    scalar = m.ScalarQuantizationConfig(m.ScalarType.Int8, quantile=0.99, always_ram=True)
    binary = m.BinaryQuantizationConfig(
        encoding=m.BinaryQuantizationEncoding.OneAndHalfBits,
        query_encoding=m.BinaryQuantizationQueryEncoding.Scalar4Bits,
        memory=memory.Pinned,
    )
    turbo = m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits1_5, always_ram=False)
    sparse = m.EdgeSparseVectorParams
    return [
        m.EdgeConfig(vectors=dense(4, distance.Dot)),
        m.EdgeConfig(vectors=dense(4, distance.Dot), wal_enabled=False),
        m.EdgeConfig(vectors=dense(4, distance.Dot), wal_enabled=True, on_disk_payload=False),
        m.EdgeConfig(
            vectors={
                "a": dense(4, distance.Cosine, on_disk=True, datatype=datatype.Float16),
                "b": dense(3, distance.Euclid, multivector_config=multi, memory=memory.Cold),
                "c": dense(8, distance.Manhattan, quantization_config=scalar, hnsw_config=hnsw(m, on_disk=True)),
                "d": dense(8, distance.Dot, datatype=datatype.Uint8, on_disk=False, memory=memory.Pinned),
            },
            sparse_vectors={
                "s": sparse(),
                "t": sparse(full_scan_threshold=7, on_disk=True, modifier=m.Modifier.Idf, datatype=datatype.Uint8),
                "u": sparse(modifier=getattr(m.Modifier, "None"), memory=memory.Cached),
            },
            hnsw_config=hnsw(m, payload_m=4, inline_storage=True, memory=memory.Cached, max_indexing_threads=2),
            quantization_config=binary,
            optimizers=m.EdgeOptimizersConfig(deleted_threshold=0.3, indexing_threshold=100),
            max_search_threads=2,
            search_pool_core=0,
            payload_memory=memory.Cached,
            id_tracker_memory=memory.Cold,
        ),
        m.EdgeConfig(vectors=dense(8, distance.Dot), quantization_config=turbo, payload_memory=memory.Pinned),
        m.EdgeConfig(
            vectors=dense(8, distance.Dot),
            quantization_config=m.ProductQuantizationConfig(m.CompressionRatio.X16, memory=memory.Cold),
            optimizers=m.EdgeOptimizersConfig(prevent_unoptimized=True),
        ),
        m.EdgeConfig(sparse_vectors={"s": sparse()}),
    ]


def stored(path):
    return json.loads((path / "edge_config.json").read_bytes())


def segment_configs(path):
    return [read_segment_config(segment) for segment in sorted((path / "segments").iterdir())]


PLACEMENTS = [(None, None), (False, None), (None, "Pinned"), (True, "Cold")]
PAIRS = list(zip(all_configs(OURS), all_configs(oracle), strict=True))


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_written_as_the_oracle_writes_it(tmp_path, number):
    ours, theirs = PAIRS[number]
    oracle.EdgeShard.create(str(tmp_path), theirs).close()
    expected = stored(tmp_path)
    assert configs.to_object(ours) == expected
    read = configs.read_config(tmp_path)
    assert configs.to_object(read) == expected
    configs.write_config(tmp_path, read)
    assert stored(tmp_path) == expected
    oracle.EdgeShard.load(str(tmp_path)).close()


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_merged_at_load_as_the_oracle_merges(tmp_path, number):
    """Without an argument, with the same one, and with everything derived from the segments."""
    ours, theirs = PAIRS[number]
    for name, given, keep in (("stored", None, True), ("given", number, True), ("derived", None, False)):
        path = tmp_path / name
        oracle.EdgeShard.create(str(path), theirs).close()
        if ours.wal_enabled is False and not keep:
            continue  # without its file the oracle no longer knows that there is no log
        if not keep:
            (path / "edge_config.json").unlink()
        segments = segment_configs(path)
        merged = configs.merge_config(ours if given is not None else None, configs.read_config(path), segments)
        oracle.EdgeShard.load(str(path), theirs if given is not None else None).close()
        assert configs.to_object(merged) == stored(path), name


def test_derived_from_optimised_segments(tmp_path):
    m = oracle
    graph = hnsw(m, on_disk=True)
    theirs = m.EdgeConfig(
        vectors={
            "a": m.EdgeVectorParams(16, m.Distance.Dot, on_disk=True, hnsw_config=graph),
            "b": m.EdgeVectorParams(16, m.Distance.Dot),
        },
        sparse_vectors={"s": m.EdgeSparseVectorParams(on_disk=True), "t": m.EdgeSparseVectorParams()},
        quantization_config=m.ScalarQuantizationConfig(m.ScalarType.Int8),
        optimizers=m.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = m.EdgeShard.create(str(tmp_path), theirs)
    rows = np.random.default_rng(5).random((200, 16), np.float32)
    weights = m.SparseVector(list(range(60)), [1.0] * 60)
    points = [m.Point(i, {"a": row, "b": row, "s": weights, "t": weights}) for i, row in enumerate(rows)]
    shard.update(m.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.close()
    (tmp_path / "edge_config.json").unlink()
    merged = configs.merge_config(None, None, segment_configs(tmp_path))
    oracle.EdgeShard.load(str(tmp_path)).close()
    assert configs.to_object(merged) == stored(tmp_path)


@pytest.mark.parametrize(
    ("vectors", "sparse"),
    [
        ({"a": (5, "Dot", None)}, ["s"]),
        ({"a": (4, "Cosine", None)}, ["s"]),
        ({"a": (4, "Dot", "Float16")}, ["s"]),
        ({"b": (4, "Dot", None)}, ["s"]),
        ({"a": (4, "Dot", None), "b": (4, "Dot", None)}, ["s"]),
        ({"a": (4, "Dot", None)}, ["t"]),
        ({"a": (4, "Dot", None)}, ["s", "t"]),
        ({"a": (4, "Dot", "Float32")}, ["s"]),
        ({"a": (4, "Dot", None)}, None),
    ],
)
def test_incompatible_configurations_are_refused_alike(tmp_path, vectors, sparse):
    def build(m, vectors, sparse):
        dense = {
            name: m.EdgeVectorParams(
                size,
                getattr(m.Distance, distance),
                datatype=datatype and getattr(m.VectorStorageDatatype, datatype),
            )
            for name, (size, distance, datatype) in vectors.items()
        }
        named = sparse and {name: m.EdgeSparseVectorParams() for name in sparse}
        return m.EdgeConfig(vectors=dense, sparse_vectors=named)

    oracle.EdgeShard.create(str(tmp_path), build(oracle, {"a": (4, "Dot", None)}, ["s"])).close()
    before, segments = configs.read_config(tmp_path), segment_configs(tmp_path)
    try:
        oracle.EdgeShard.load(str(tmp_path), build(oracle, vectors, sparse)).close()
    except Exception as error:
        prefix = str(error).split(":")[1].strip() if "Service" in str(error) else str(error).split(":")[0]
        with pytest.raises(ValidationError, match=prefix):
            configs.merge_config(build(OURS, vectors, sparse), before, segments)
    else:
        merged = configs.merge_config(build(OURS, vectors, sparse), before, segments)
        assert configs.to_object(merged) == stored(tmp_path)


@pytest.mark.parametrize("given", PLACEMENTS)
@pytest.mark.parametrize("first", PLACEMENTS)
def test_placement_of_payloads_is_merged_as_the_oracle_merges(tmp_path, first, given):
    def build(m, on_disk, memory):
        memory = memory and getattr(m.Memory, memory)
        vectors = m.EdgeVectorParams(4, m.Distance.Dot)
        return m.EdgeConfig(vectors=vectors, on_disk_payload=on_disk, payload_memory=memory)

    oracle.EdgeShard.create(str(tmp_path), build(oracle, *first)).close()
    merged = configs.merge_config(build(OURS, *given), configs.read_config(tmp_path), segment_configs(tmp_path))
    oracle.EdgeShard.load(str(tmp_path), build(oracle, *given)).close()
    assert configs.to_object(merged) == stored(tmp_path)


def test_the_last_vector_may_be_gone(tmp_path):
    shard = oracle.EdgeShard.create(str(tmp_path), PAIRS[0][1])
    shard.update(oracle.UpdateOperation.delete_vector_name(""))
    shard.close()
    read = configs.read_config(tmp_path)
    assert (read.vectors, read.sparse_vectors) == ({}, {})
    assert configs.merge_config(None, read, segment_configs(tmp_path)).vectors == {}
    assert configs.merge_config(None, None, segment_configs(tmp_path)).vectors == {}


def test_the_log_cannot_be_switched(tmp_path):
    ours = OURS.EdgeConfig(vectors=OURS.EdgeVectorParams(4, OURS.Distance.Dot), wal_enabled=False)
    other = OURS.EdgeConfig(vectors=OURS.EdgeVectorParams(4, OURS.Distance.Dot), wal_enabled=True)
    assert configs.wal_enabled(None, ours) is False
    assert configs.wal_enabled(None, None) is True
    with pytest.raises(ValidationError, match="wal_enabled cannot be changed after the shard is created"):
        configs.wal_enabled(other, ours)


def test_log_sizes_of_other_engines_are_honoured_and_kept(tmp_path):
    oracle.EdgeShard.create(str(tmp_path), PAIRS[0][1]).close()
    options = {"segment_capacity": 65536, "segment_queue_len": 0, "retain_closed": 1}
    (tmp_path / "edge_config.json").write_text(json.dumps({**stored(tmp_path), "wal_options": options, "new": 1}))
    assert configs.wal_options(tmp_path)["segment_capacity"] == 65536
    configs.write_config(tmp_path, configs.read_config(tmp_path))
    assert stored(tmp_path)["wal_options"] == options


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"vectors":5}',
        b'{"vectors":{"":{"size":0,"distance":"Dot"}}}',
        b'{"vectors":{"":{"size":4,"distance":"Dut"}}}',
        b'{"vectors":{},"hnsw_config":[]}',
    ],
)
def test_damaged_file(tmp_path, text):
    (tmp_path / "edge_config.json").write_bytes(text)
    with pytest.raises(CorruptedError, match="Failed to deserialize"):
        configs.read_config(tmp_path)
