"""Memory placement: what Cold, Cached and Pinned do, and how much memory codes may take."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es
from edgeshard.index import flat
from edgeshard.index.codes_budget import BUDGET, CodesBudget, coded_bytes
from edgeshard.segment import graph_field
from edgeshard.storage import overlay, residency

DIM, POINTS = 64, 8000
"""Links of level 0, laid out for walks."""
MEMORY_LINKS = 0


def config(memory: es.Memory | None = None, links: es.Memory | None = None, threshold_kb: int = 10) -> es.EdgeConfig:
    return es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Dot, memory=memory),
        hnsw_config=es.HnswIndexConfig(16, 100, 10, memory=links),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=threshold_kb),
    )


@pytest.fixture(autouse=True)
def _codes_soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Codes are built at the second search."""
    monkeypatch.setattr(flat, "CODES_AFTER_SCANS", 1)
    monkeypatch.setattr(graph_field, "CODES_AFTER", 1)
    monkeypatch.setattr(graph_field, "SCAN_ROWS", 0)
    gc.collect()
    before = es.options.codes_limit_bytes, es.options.codes_for_cold_vectors
    yield
    es.options.codes_limit_bytes, es.options.codes_for_cold_vectors = before


def optimised(path: Path, settings: es.EdgeConfig) -> es.EdgeShard:
    shard = es.EdgeShard.create(path, settings)
    rows = np.random.default_rng(1).normal(size=(POINTS, DIM)).astype(np.float32)
    shard.update(es.UpdateOperation.upsert_batch(np.arange(POINTS, dtype=np.uint64), rows))
    shard.optimize()
    return shard


def search(shard: es.EdgeShard) -> list[Any]:
    """The same exact and approximate searches, a few times; the exact answer."""
    row = np.ones(DIM, np.float32)
    for _ in range(5):
        shard.query_arrays(row, limit=10)
        exact = shard.query_arrays(row, limit=10, params=es.SearchParams(exact=True))
    return [exact[0].tolist(), exact[1].tolist()]


def test_codes_are_built_and_counted_but_not_for_cold_vectors(tmp_path: Path) -> None:
    held = BUDGET.held_bytes
    with optimised(tmp_path / "cold", config(es.Memory.Cold)) as cold:
        expected = search(cold)
        assert BUDGET.held_bytes == held
        es.options.codes_for_cold_vectors = True
        assert search(cold) == expected
        assert BUDGET.held_bytes - held == coded_bytes(POINTS, DIM)
        es.options.codes_for_cold_vectors = False
    del cold
    gc.collect()
    assert BUDGET.held_bytes == held
    with optimised(tmp_path / "cached", config()) as cached:
        assert search(cached) == expected
        assert BUDGET.held_bytes - held == coded_bytes(POINTS, DIM) + lists_bytes(cached)


def lists_bytes(shard: es.EdgeShard) -> int:
    """Memory of the unpacked lists of its graph: level 0 at a stride of 2 m, those above without gaps and with ends."""
    fields = [segment.fields[""] for segment in shard._store.segments if segment.count]
    links = fields[0].graph.load(1).links_table
    return 4 * (POINTS * 2 * 16 + sum(links.populations[1:]) * (16 + 1))


def test_lists_for_walks_that_do_not_fit_are_not_made(tmp_path: Path) -> None:
    held = BUDGET.held_bytes
    with optimised(tmp_path / "shard", config()) as shard:
        es.options.codes_limit_bytes = held + coded_bytes(POINTS, DIM) + lists_bytes(shard) - 1
        limited = search(shard)
        assert BUDGET.held_bytes - held == coded_bytes(POINTS, DIM)
        es.options.codes_limit_bytes = None
        assert search(shard) == limited


@pytest.mark.parametrize("pinned", [False, True])
def test_quantized_codes_in_memory_are_counted(tmp_path: Path, pinned: bool) -> None:
    quantization = es.ScalarQuantizationConfig(
        es.ScalarType.Int8, memory=es.Memory.Pinned if pinned else es.Memory.Cold
    )
    vectors = es.EdgeVectorParams(DIM, es.Distance.Dot, quantization_config=quantization)
    settings = es.EdgeConfig(vectors=vectors, optimizers=es.EdgeOptimizersConfig(indexing_threshold=10))
    held = BUDGET.held_bytes
    es.options.codes_limit_bytes = 0
    with optimised(tmp_path / "shard", settings) as shard:
        by_codes = es.SearchParams(quantization=es.QuantizationSearchParams(rescore=False))
        assert len(shard.query_arrays(np.ones(DIM, np.float32), limit=10, params=by_codes)[0]) == 10
        stored = sum(file.stat().st_size for file in tmp_path.rglob("quantized.data"))
        assert BUDGET.held_bytes - held == pinned * stored
        assert stored >= POINTS * DIM
    assert BUDGET.held_bytes == held


@pytest.mark.parametrize("share", [0, 1])
def test_codes_do_not_exceed_their_limit(tmp_path: Path, share: int) -> None:
    held = BUDGET.held_bytes
    es.options.codes_limit_bytes = held + share * coded_bytes(POINTS, DIM)
    with optimised(tmp_path / "shard", config()) as shard:
        limited = search(shard)
        assert BUDGET.held_bytes - held == share * coded_bytes(POINTS, DIM)
        es.options.codes_limit_bytes = None
        assert search(shard) == limited


def test_growing_codes_that_do_not_fit_are_given_up(tmp_path: Path) -> None:
    held = BUDGET.held_bytes
    es.options.codes_limit_bytes = held + coded_bytes(POINTS, DIM)
    with optimised(tmp_path / "shard", config(threshold_kb=0)) as shard:
        search(shard)
        assert BUDGET.held_bytes - held == coded_bytes(POINTS, DIM)
        more = np.zeros((100, DIM), np.float32)
        shard.update(es.UpdateOperation.upsert_batch(np.arange(POINTS, POINTS + 100, dtype=np.uint64), more))
        search(shard)
        assert BUDGET.held_bytes == held


def test_the_size_that_is_counted_is_that_of_the_codes() -> None:
    from edgeshard.index.hnsw.graph import make_codes

    for dim in (1, 32, 33, 384):
        codes = make_codes([np.ones((4096, dim), np.float32)])
        assert codes.size_bytes == pytest.approx(coded_bytes(4096, dim), rel=0.3)


def test_what_is_collected_no_longer_counts() -> None:
    class Holder:
        pass

    budget, holder = CodesBudget(), Holder()
    assert budget.reserve(holder, 1000)
    assert budget.held_bytes == 1000
    assert budget.reserve(holder, 2000)
    assert budget.held_bytes == 2000
    del holder
    gc.collect()
    assert budget.held_bytes == 0


def locked_kb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmLck"):
            return int(line.split()[1])
    raise LookupError("VmLck")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.filterwarnings("ignore::edgeshard.MemoryPlacementWarning")
def test_pinned_vectors_are_locked_if_the_system_allows_it(tmp_path: Path) -> None:
    probe = np.zeros(1 << 20, np.uint8)
    before = locked_kb()
    allowed = overlay.lock_memory(probe) and locked_kb() > before  # sanitizers promise to lock, and do not
    before = locked_kb()
    with optimised(tmp_path / "shard", config(es.Memory.Pinned)) as shard:
        grown = locked_kb() - before
        assert (grown >= POINTS * DIM * 4 / 1024 - 8) == allowed
        search(shard)
    del probe


def test_a_refusal_is_told_and_everything_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "lock_memory", lambda array: False)
    with pytest.warns(es.MemoryPlacementWarning, match="ulimit -l"):
        shard = optimised(tmp_path / "shard", config(es.Memory.Pinned))
    search(shard)
    with pytest.warns(es.MemoryPlacementWarning):
        shard.close()
        shard = es.EdgeShard.load(tmp_path / "shard")
    assert shard.count(es.CountRequest()) == POINTS
    shard.close()


@pytest.mark.parametrize("memory", [es.Memory.Cold, es.Memory.Cached, es.Memory.Pinned])
def test_pinned_links_are_unpacked(tmp_path: Path, memory: es.Memory) -> None:
    held = BUDGET.held_bytes
    es.options.codes_limit_bytes = 0
    with optimised(tmp_path / "shard", config(links=memory)) as shard:
        search(shard)
        graphs = [segment.fields[""].graph for segment in shard._store.segments if not segment.appendable]
        assert [graph._graph.links_table.kind == MEMORY_LINKS for graph in graphs] == [memory == es.Memory.Pinned]
        links_bytes = sum(graph._graph.links_table.size_bytes for graph in graphs)
        assert (links_bytes > 0) is (memory == es.Memory.Pinned)
        assert BUDGET.held_bytes - held == links_bytes  # counted, and never refused


def with_payloads(path: Path, memory: es.Memory | None, *, on_disk: bool | None = None) -> es.EdgeShard:
    """An optimised shard with some MB of payloads and an index, all placed alike."""
    shard = es.EdgeShard.create(
        path,
        es.EdgeConfig(
            vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot),
            optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
            payload_memory=memory,
            on_disk_payload=on_disk,
        ),
    )
    params = es.KeywordIndexParams(memory=memory, on_disk=on_disk)
    shard.update(es.UpdateOperation.create_field_index("word", params))
    payloads = [{"word": f"word {i}", "text": f"{i} " * 200} for i in range(3000)]
    rows = np.random.default_rng(2).normal(size=(3000, 2)).astype(np.float32)
    shard.update(es.UpdateOperation.upsert_batch(np.arange(3000, dtype=np.uint64), rows, payloads=payloads))
    shard.optimize()
    return shard


def ask_payloads(shard: es.EdgeShard) -> list[Any]:
    wanted = es.Filter(must=[es.FieldCondition(key="word", match=es.MatchValue("word 77"))])
    records = shard.retrieve([5, 2999], True, False)
    return [shard.count(es.CountRequest(filter=wanted)), [dict(record.payload) for record in records]]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pinned_payloads_and_indexes_are_locked_if_the_system_allows_it(tmp_path: Path) -> None:
    probe = np.zeros(1 << 20, np.uint8)
    before = locked_kb()
    if not overlay.lock_memory(probe) or locked_kb() == before:
        pytest.skip("this system locks no memory")
    before = locked_kb()
    shard = with_payloads(tmp_path / "shard", es.Memory.Pinned)
    held = locked_kb() - before
    expected = ask_payloads(shard)
    assert held > 300
    shard.close()
    del shard
    gc.collect()
    assert locked_kb() - before < held
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert ask_payloads(shard) == expected
        assert locked_kb() - before > 300
    del probe


@pytest.mark.parametrize("memory", [None, es.Memory.Cold, es.Memory.Cached, es.Memory.Pinned])
def test_payloads_are_the_same_wherever_they_are(tmp_path: Path, memory: es.Memory | None) -> None:
    with with_payloads(tmp_path / "shard", memory) as shard:
        asked = ask_payloads(shard)
    assert asked == [1, [{"word": f"word {i}", "text": f"{i} " * 200} for i in (5, 2999)]]


def test_a_refusal_to_lock_payloads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeshard.storage.residency.lock_memory", lambda array: False)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        shard = with_payloads(tmp_path / "shard", es.Memory.Pinned)
    told = [str(one.message) for one in heard if one.category is es.MemoryPlacementWarning]
    assert any("payload index of 'word'" in text for text in told)
    assert any("payloads are configured" in text for text in told)
    assert ask_payloads(shard)[0] == 1
    shard.close()


def test_payloads_on_disk_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advised: list[str] = []
    original = overlay.PrivateFile.expect_scattered_reads

    def note(file: overlay.PrivateFile) -> None:
        advised.append(file.path.name)
        original(file)

    monkeypatch.setattr(overlay.PrivateFile, "expect_scattered_reads", note)
    with with_payloads(tmp_path / "disk", None, on_disk=True):
        assert "page_0.dat" in advised
    advised.clear()
    fetched: list[str] = []
    monkeypatch.setattr("edgeshard.storage.residency.fetch", lambda paths: fetched.extend(p.name for p in paths))
    with with_payloads(tmp_path / "memory", None, on_disk=False):
        assert advised == []
        assert "page_0.dat" in fetched


def with_sparse_vectors(path: Path, memory: es.Memory | None, *, on_disk: bool | None = None) -> es.EdgeShard:
    """An optimised shard with posting lists of some hundred KB, and ids placed alike."""
    settings = es.EdgeConfig(
        sparse_vectors={"s": es.EdgeSparseVectorParams(memory=memory, on_disk=on_disk)},
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
        id_tracker_memory=memory,
    )
    shard = es.EdgeShard.create(path, settings)
    rng = np.random.default_rng(3)
    weights = rng.random((3000, 30)).astype(np.float32) + 0.1
    points = [es.Point(i, {"s": es.SparseVector(list(range(30)), row.tolist())}) for i, row in enumerate(weights)]
    shard.update(es.UpdateOperation.upsert_points(points))
    shard.optimize()
    return shard


def ask_sparse(shard: es.EdgeShard) -> list[Any]:
    nearest = es.Query.Nearest(es.SparseVector([3, 7], [1.0, 0.5]), using="s")
    return [(hit.id, hit.score) for hit in shard.query(es.QueryRequest(query=nearest, limit=5))]


@pytest.mark.parametrize("memory", [None, *es.Memory])
def test_posting_lists_and_ids_are_placed(
    tmp_path: Path, memory: es.Memory | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = with_sparse_vectors(tmp_path / "shard", memory)
    expected = ask_sparse(shard)
    assert len(expected) == 5
    shard.close()
    noted: dict[str, set[str]] = {"scattered": set(), "ahead": set(), "fetched": set()}
    sizes: list[int] = []
    file = overlay.PrivateFile
    monkeypatch.setattr(file, "expect_scattered_reads", lambda file: noted["scattered"].add(file.path.name))
    monkeypatch.setattr(file, "fetch_ahead", lambda file: noted["ahead"].add(file.path.name))
    monkeypatch.setattr(residency, "fetch", lambda paths: noted["fetched"].update(path.name for path in paths))
    monkeypatch.setattr(residency, "lock_memory", lambda array: sizes.append(len(array)) is None)
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert ask_sparse(shard) == expected
    lists, ids = "inverted_index.dat", {"id_tracker.i2e", "id_tracker.e2i"}
    assert (lists in noted["fetched"]) == (memory is not es.Memory.Cold)
    assert (ids <= noted["scattered"]) == (memory is es.Memory.Cold)
    assert (ids <= noted["ahead"]) == (memory is es.Memory.Cached)
    assert bool(list(tmp_path.rglob("id_tracker.mappings"))) == (memory in (None, es.Memory.Pinned))
    size = next(tmp_path.rglob(lists)).stat().st_size
    assert sizes == ([size] if memory is es.Memory.Pinned else [])


def test_posting_lists_on_disk_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(residency, "fetch", lambda paths: fetched.extend(path.name for path in paths))
    with with_sparse_vectors(tmp_path / "shard", None, on_disk=True) as shard:
        assert len(ask_sparse(shard)) == 5
    assert fetched == []


def test_a_refusal_to_lock_posting_lists_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "lock_memory", lambda array: False)
    with pytest.warns(es.MemoryPlacementWarning, match="the index of the sparse vectors 's'"):
        shard = with_sparse_vectors(tmp_path / "shard", es.Memory.Pinned)
    assert len(ask_sparse(shard)) == 5
    shard.close()
