"""The files of a graph: byte for byte against the oracle's, searched by both engines, and damaged."""

import json
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as q

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.hnsw import HnswConfig, HnswGraph, files
from edgeshard.index.hnsw.graph import WALLS, make_codes

N, DIM, EF, QUERIES = 2000, 48, 32, 100
COSINE = 0


def vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, DIM))
    x = centres[rng.integers(0, 50, N + QUERIES)] + 0.6 * rng.normal(size=(N + QUERIES, DIM))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def make_shard(path, *, inline=False, payload=False):
    """An optimised shard of the oracle; ids are offsets. The directory of its indexed segment."""
    path.mkdir()
    shard = q.EdgeShard.create(
        str(path),
        q.EdgeConfig(
            vectors=q.EdgeVectorParams(DIM, q.Distance.Cosine),
            hnsw_config=q.HnswIndexConfig(16, 100, 10, inline_storage=inline),
            quantization_config=q.ScalarQuantizationConfig(q.ScalarType.Int8) if inline else None,
            optimizers=q.EdgeOptimizersConfig(indexing_threshold=10),
        ),
    )
    if payload:
        shard.update(q.UpdateOperation.create_field_index("colour", q.PayloadSchemaType.Integer))
    rows = vectors()[:N]
    points = [q.Point(i, row.tolist(), {"colour": i % 20}) for i, row in enumerate(rows)]
    shard.update(q.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()
    shard.close()
    segments = [p.parent for p in path.glob("segments/*/vector_index")]
    assert len(segments) == 1
    return segments[0]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    base = tmp_path_factory.mktemp("oracle")
    return {
        "plain": make_shard(base / "plain"),
        "inline": make_shard(base / "inline", inline=True),
        "payload": make_shard(base / "payload", payload=True),
    }


def matrix(segment):
    return np.fromfile(segment / "vector_storage" / "matrix.dat", np.uint8)[4:].view(np.float32).reshape(-1, DIM)


def oracle_hits(segment, queries, ef=EF, only=None):
    shard = q.EdgeShard.load(str(segment.parent.parent))
    condition = None
    if only is not None:
        condition = q.Filter(must=[q.FieldCondition("colour", match=q.MatchValue(only))])
    params = q.SearchParams(hnsw_ef=ef)
    found = [
        [
            hit.id
            for hit in shard.query(
                q.QueryRequest(10, query=q.Query.Nearest(v.tolist()), params=params, filter=condition)
            )
        ]
        for v in queries
    ]
    shard.close()
    return found


def recall(found, expected):
    return np.mean([len(set(map(int, a)) & set(map(int, b))) / len(b) for a, b in zip(found, expected, strict=True)])


def truth(queries, rows, mask=None):
    return _native.scan_topk(queries, [rows], mask, 10, COSINE)[0]


@pytest.mark.parametrize("kind", ["plain", "payload"])
def test_files_of_the_oracle_come_out_the_same(shards, kind, tmp_path):
    index = shards[kind] / "vector_index"
    graph = HnswGraph.load(index, [matrix(shards[kind])], COSINE)
    graph.verify()
    header = files.GraphHeader.read(index / "graph.bin")
    assert header.to_bytes() == (index / "graph.bin").read_bytes()
    files.write(tmp_path, graph.links_table, header)
    for name in ("graph.bin", "links_compressed.bin"):
        assert (tmp_path / name).read_bytes() == (index / name).read_bytes()
    config = HnswConfig.read(index)
    assert config.to_json() == (index / "hnsw_config.json").read_bytes()
    assert config.indexed_vector_count == N


def test_inline_files_of_the_oracle_come_out_the_same(shards, tmp_path):
    segment = shards["inline"]
    index = segment / "vector_index"
    base = files.inline_rows(index)
    graph = HnswGraph.load(index, [base.view(np.float32)], COSINE)
    graph.verify()
    codes = np.fromfile(segment / "vector_storage" / "quantized.data", np.uint8).reshape(N, -1)
    base_bytes, base_align, link_bytes, link_align = graph.links_table.inline_shape
    assert (base_bytes, link_bytes) == (DIM * 4, codes.shape[1])
    links = graph.links(7)
    assert graph.links_table.link_vectors(7) == codes[links].tobytes()
    graph.save(tmp_path, inline=(base, codes, base_align, link_align))
    written = (tmp_path / "links_comp_vec.bin").read_bytes()
    assert written == (index / "links_comp_vec.bin").read_bytes()
    x = vectors()
    np.testing.assert_allclose(base.view(np.float32), x[:N], atol=1e-6)
    assert recall(graph.search(x[N:], 10, EF)[0], truth(x[N:], x[:N])) > 0.9


def test_plain_links_hold_the_same_graph(shards, tmp_path):
    rows = matrix(shards["plain"])
    graph = HnswGraph.load(shards["plain"] / "vector_index", [rows], COSINE)
    graph.save(tmp_path)
    files.write(tmp_path, graph.links_table, files.GraphHeader.read(tmp_path / files.GRAPH), files.PLAIN)
    assert not (tmp_path / "links_compressed.bin").exists()
    again = HnswGraph.load(tmp_path, [rows], COSINE)
    again.verify()
    memory = HnswGraph.load(tmp_path, [rows], COSINE, in_memory=True)
    queries = vectors()[N:]
    expected = graph.search(queries, 10, EF)[0]
    np.testing.assert_array_equal(again.search(queries, 10, EF)[0], expected)
    np.testing.assert_array_equal(memory.search(queries, 10, EF)[0], expected)


@pytest.mark.parametrize("on_codes", [False, True])
def test_a_graph_of_the_oracle_gives_us_its_recall(shards, on_codes):
    segment = shards["plain"]
    rows, queries = matrix(segment), vectors()[N:]
    expected = truth(queries, rows)
    codes = make_codes([rows]) if on_codes else None
    graph = HnswGraph.load(segment / "vector_index", [rows], COSINE, codes=codes)
    ours = recall(graph.search(queries, 10, EF)[0], expected)
    assert ours >= recall(oracle_hits(segment, queries), expected) - 0.005


def test_our_graph_gives_the_oracle_its_own_recall(tmp_path):
    segment = make_shard(tmp_path / "shard")
    rows, queries = matrix(segment), vectors()[N:]
    expected = truth(queries, rows)
    before = recall(oracle_hits(segment, queries), expected)
    for on_codes in (False, True):
        graph = HnswGraph.build([rows], COSINE, codes=make_codes([rows]) if on_codes else None, threads=1)
        graph.save(segment / "vector_index")
        assert recall(oracle_hits(segment, queries), expected) >= before - 0.01


def test_the_oracle_opens_our_plain_and_inline_links(tmp_path):
    segment = make_shard(tmp_path / "shard", inline=True)
    index, queries = segment / "vector_index", vectors()[N:]
    base = files.inline_rows(index)
    rows = base.view(np.float32)
    codes = np.fromfile(segment / "vector_storage" / "quantized.data", np.uint8).reshape(N, -1)
    expected = truth(queries, rows)
    before = recall(oracle_hits(segment, queries), expected)
    HnswGraph.build([rows], COSINE, threads=1).save(index, inline=(base, codes, 4, 1))
    assert recall(oracle_hits(segment, queries), expected) >= before - 0.01


def test_our_payload_links_serve_the_oracles_filters(tmp_path):
    segment = make_shard(tmp_path / "shard", payload=True)
    rows, queries = matrix(segment), vectors()[N : N + 50]
    mask = np.arange(N) % 20 == 3
    expected = truth(queries, rows, mask)
    before = recall(oracle_hits(segment, queries, only=3), expected)
    blocks = [np.flatnonzero(np.arange(N) % 20 == c).astype(np.uint32) for c in range(20)]
    graph = HnswGraph.build([rows], COSINE, blocks=blocks)
    graph.save(segment / "vector_index")
    assert recall(oracle_hits(segment, queries, only=3), expected) >= before - 0.01
    assert recall(graph.search(queries, 10, EF, mask, mode=WALLS)[0], expected) >= before - 0.01


@pytest.fixture
def small(tmp_path):
    rows = vectors()[:300]
    HnswGraph.build([rows], COSINE, threads=1).save(tmp_path)
    return tmp_path, rows


def open_all(directory: Path, rows):
    graph = HnswGraph.load(directory, [rows], COSINE)
    graph.verify()
    graph.search(rows[:20], 10, 50)


@pytest.mark.parametrize("name", ["graph.bin", "links_compressed.bin"])
def test_truncated_and_missing_files_are_reported(small, name):
    directory, rows = small
    data = (directory / name).read_bytes()
    for size in {*range(0, min(100, len(data)), 7), len(data) // 2, len(data) - 1}:
        (directory / name).write_bytes(data[:size])
        with pytest.raises(CorruptedError):
            open_all(directory, rows)
    (directory / name).unlink()
    with pytest.raises(CorruptedError, match="missing"):
        open_all(directory, rows)


@pytest.mark.parametrize("kind", [files.COMPRESSED, files.PLAIN])
def test_no_damaged_byte_gets_past_the_checks(small, kind):
    """Whatever a byte becomes, the graph is valid or called damaged; nothing crashes."""
    directory, rows = small
    links = HnswGraph.load(directory, [rows], COSINE).links_table
    files.write(directory, links, files.GraphHeader.read(directory / files.GRAPH), kind)
    path = files.find_links(directory)[0]
    data, codes = path.read_bytes(), make_codes([rows])
    rng = np.random.default_rng(1)
    reported = 0
    for at in [*range(80), *rng.integers(0, len(data), 300).tolist()]:
        damaged = bytearray(data)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            graph = HnswGraph.load(directory, [rows], COSINE)
            graph.search(rows[:5], 10, 50)
            graph.attach([rows], COSINE, codes, fast=True).search(rows[:5], 10, 50)
            open_all(directory, rows)
        except CorruptedError:
            reported += 1
    assert reported > 60


@pytest.mark.parametrize("number", ["m", "m0"])
def test_lists_are_not_unpacked_at_a_length_that_none_has(small, number):
    """``m`` and ``m0`` are numbers in a file: what is unpacked for walks is bounded by the links there are."""
    directory, rows = small
    links = HnswGraph.load(directory, [rows], COSINE).links_table
    files.write(directory, links, files.GraphHeader.read(directory / files.GRAPH), files.PLAIN)
    before = HnswGraph.load(directory, [rows], COSINE).search(rows[:5], 10, 50)
    path = directory / files.GRAPH
    data = bytearray(path.read_bytes())
    at = 0 if number == "m" else 8
    data[at : at + 8] = files.MAX_M.to_bytes(8, "little")  # 4 MiB a list
    path.write_bytes(data)
    graph = HnswGraph.load(directory, [rows], COSINE).attach([rows], COSINE, make_codes([rows]), fast=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = graph.search(rows[:5], 10, 50)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100_000
    np.testing.assert_array_equal(found[0], before[0])


def test_huge_counts_are_refused_before_anything_is_allocated(small):
    directory, rows = small
    path = directory / "links_compressed.bin"
    data = path.read_bytes()
    for at in (0, 16, 24, 32, 43, 51):
        for value in (2**31, 2**40, 2**63, 2**64 - 1):
            path.write_bytes(data[:at] + struct.pack("<Q", value) + data[at + 8 :])
            with pytest.raises(CorruptedError):
                open_all(directory, rows)
    path.write_bytes(data)
    header = (directory / "graph.bin").read_bytes()
    (directory / "graph.bin").write_bytes(header[:24] + struct.pack("<Q", 2**61) + header[32:])
    with pytest.raises(CorruptedError, match="do not fit"):
        open_all(directory, rows)


def test_inline_vectors_longer_than_the_file_are_refused(small, tmp_path):
    """Before there is memory for as many of them as points."""
    directory, rows = small
    graph, base = HnswGraph.load(directory, [rows], COSINE), rows.view(np.uint8)
    graph.save(tmp_path, inline=(base, base, 4, 4))
    path = files.find_links(tmp_path)[0]
    data = bytearray(path.read_bytes())
    assert files.inline_rows(tmp_path) is not None
    struct.pack_into("<Q", data, 59, len(data))
    path.write_bytes(data)
    with pytest.raises(CorruptedError):
        files.inline_rows(tmp_path)


def test_fewer_vectors_than_points_are_refused(small):
    directory, rows = small
    with pytest.raises(CorruptedError, match="300 points, the vectors 299"):
        HnswGraph.load(directory, [rows[:299]], COSINE)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"m":-1}', b'{"m":"16"}', b'{"m":16}'])
def test_a_damaged_config_is_reported(tmp_path, text):
    (tmp_path / "hnsw_config.json").write_bytes(text)
    with pytest.raises(CorruptedError):
        HnswConfig.read(tmp_path)


def test_an_old_config_has_defaults(tmp_path):
    assert HnswConfig.read(tmp_path) is None
    old = {"m": 16, "m0": 32, "ef_construct": 100, "ef": 100, "indexing_threshold": 7}
    (tmp_path / "hnsw_config.json").write_text(json.dumps(old))
    config = HnswConfig.read(tmp_path)
    assert config == HnswConfig(16, 100, 7)
    assert config.payload_m is None


@pytest.mark.parametrize(
    ("kb", "available", "points", "threshold"),
    [
        (10, 3000 * 256, 3000, 40),
        (10, 3000 * 104, 3000, 98),
        (10, 1298 * 128, 1949, 120),
        (10, 0, 10, 1),
        (10, 0, 0, 1),
    ],
)
def test_threshold_in_vectors(kb, available, points, threshold):
    assert HnswConfig.threshold_of(kb, available, points) == threshold
