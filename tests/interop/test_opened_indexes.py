"""Index files of optimised segments, of either engine's making, answer filters without a payload being read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from indexed_shard import (
    NESTED_TEXTS,
    answers,
    conditions,
    copy_of,
    make_shard,
    passing,
    schemas,
    scores,
    state,
)  # fmt: skip

import edgeshard
from edgeshard.segment.segment import Segment

ENGINES = {"ours": edgeshard, "theirs": qdrant_edge}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Optimised shards with the same points by the engine that made them; do not change them."""
    root = tmp_path_factory.mktemp("shards")
    for name, mod in ENGINES.items():
        make_shard(mod, root / name, points=200, seed=21, optimised=True)
    return root


def refuse_payloads(patch: pytest.MonkeyPatch) -> None:
    """Make payloads of optimised segments unreadable."""
    for name in ("read_batch", "payloads", "payload_of"):
        read = getattr(Segment, name)

        def refuse(self: Segment, *args: Any, read: Any = read) -> Any:
            assert self.appendable, "a payload is read"
            return read(self, *args)

        patch.setattr(Segment, name, refuse)


@pytest.fixture(scope="module", params=ENGINES)
def opened(request, shards, tmp_path_factory):
    """A shard of one of the engines opened by us and by the other engine."""
    root = tmp_path_factory.mktemp("opened")
    both = [
        mod.EdgeShard.load(str(copy_of(shards / request.param, root / mod.__name__)))
        for mod in (edgeshard, qdrant_edge)
    ]
    yield both
    for shard in both:
        shard.close()


@pytest.mark.parametrize("field", [*schemas(edgeshard), "arr[]", "o.in[]"])
def test_filters_come_from_the_files(field: str, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One field after the other, every kind of index among them; for arrays conditions on single elements."""
    ours, theirs = opened
    asked = {name: test for name, test in conditions(qdrant_edge).items() if name[0] == field}
    refuse_payloads(monkeypatch)
    hits = 0
    for name, test in conditions(edgeshard).items():
        if name[0] == field:
            found = passing(edgeshard, ours, test)
            assert found == passing(qdrant_edge, theirs, asked[name]), name
            filter = edgeshard.Filter(must=[test])
            assert ours.count(edgeshard.CountRequest(exact=False, filter=filter)) <= ours.info().points_count
            hits += len(found)
    assert hits > 10


def test_values_come_from_the_files(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facets, orderings, BM25 and counts of indexed points."""
    ours, theirs = opened
    refuse_payloads(monkeypatch)
    said, expected = answers(edgeshard, ours), answers(qdrant_edge, theirs)
    for question, answer in said.items():
        assert answer == expected[question], question
    ranked = scores(qdrant_edge, theirs)
    for question, hits in scores(edgeshard, ours).items():
        assert hits == pytest.approx(ranked[question], rel=1e-4), question
    counted = ours.info().payload_schema
    assert all(counted[field].points > 10 for field in NESTED_TEXTS)


def test_one_missing_nested_index_is_made_up_for_by_columns(opened: Any) -> None:
    """Conditions on elements with and without an index of their own in one filter."""
    found = []
    for mod, shard in zip((edgeshard, qdrant_edge), opened, strict=True):
        with_index = mod.FieldCondition("n", range=mod.RangeFloat(gte=2))
        without = mod.FieldCondition("o.w", match=mod.MatchValue("k"))
        for filter in (
            mod.Filter(must=[with_index, without]), mod.Filter(must=[with_index], must_not=[without]),
            mod.Filter(should=[without, with_index]), mod.Filter(must=[without]),
        ):  # fmt: skip
            found.append(passing(mod, shard, mod.NestedCondition("arr", filter)))
    assert found[:4] == found[4:]
    assert all(found)


FILES = (
    "data.bin", "values_to_points.bin", "point_to_values.bin", "postings.dat", "vocab.dat", "points_map.bin",
    "points_map_ids.bin", "prefix_index.bin", "starts.zstd",
)  # fmt: skip


@pytest.fixture(scope="module")
def expected(shards, tmp_path_factory):
    """What a shard of ours says as long as its files are whole."""
    shard = edgeshard.EdgeShard.load(str(copy_of(shards / "ours", tmp_path_factory.mktemp("whole") / "shard")))
    said = {name: passing(edgeshard, shard, test) for name, test in conditions(edgeshard).items()}
    shard.close()
    return said


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage",
    [b"", b"\xff" * 64, b"str\0\0\0\0\0" + b"\x7f" * 5000],
    ids=["empty", "ones", "of another kind"],
)
def test_damaged_files_are_told_and_written_anew(
    file: str, damage: bytes, shards: Path, expected: Any, tmp_path: Path
) -> None:
    copy = copy_of(shards / "ours", tmp_path / "copy")
    (copy / "edgeshard.checksums").unlink(missing_ok=True)  # they would tell first
    damaged = list(copy.glob(f"segments/*/payload_index/*/{file}"))
    for path in damaged:
        path.write_bytes(damage)
    assert damaged
    shard = edgeshard.EdgeShard.load(str(copy))
    with pytest.warns(RuntimeWarning, match="is rebuilt from the payloads"):
        said = {name: passing(edgeshard, shard, test) for name, test in conditions(edgeshard).items()}
        shard.info()  # point_to_values.bin of most kinds is needed for this only
    assert said == expected
    shard.flush()
    said = {name: passing(edgeshard, shard, test) for name, test in conditions(edgeshard).items()}
    shard.close()
    assert said == expected


def both_ways(root: Path, seed: int, patch: pytest.MonkeyPatch) -> None:
    """A random shard of each engine, asked by both: same answers, and no index file written."""
    said: dict[str, Any] = {}
    for maker, mod in ENGINES.items():
        make_shard(mod, root / maker, points=80, seed=seed, optimised=seed % 4 > 0)
        for asker, other in ENGINES.items():
            copy = copy_of(root / maker, root / f"{maker}-{asker}")
            before = state(copy)
            shard = other.EdgeShard.load(str(copy))
            with patch.context() as context:
                if other is edgeshard:
                    refuse_payloads(context)
                said[f"{maker}-{asker}"] = {
                    name: passing(other, shard, test) for name, test in conditions(other).items()
                }
            whole = answers(other, shard)
            ranked = scores(other, shard)
            assert state(copy) == before, f"seed {seed}: {asker} writes the index files of {maker}"
            shard.close()
            first = said.setdefault(f"{maker}", (whole, ranked))
            assert whole == first[0], f"seed {seed}: a shard of {maker}"
            for question, hits in ranked.items():
                assert first[1][question] == pytest.approx(hits, rel=1e-4), f"seed {seed}: {question}"
        assert said[f"{maker}-ours"] == said[f"{maker}-theirs"], f"seed {seed}: a shard of {maker}"


@pytest.mark.parametrize("seed", [1, 2])
def test_random_shards_both_ways(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_ways(tmp_path, seed, monkeypatch)


FIRST, SHARDS = (int(os.environ.get(f"EDGESHARD_{name}", most)) for name, most in (("SEED", 1000), ("SHARDS", 200)))
"""Which of the two hundred random shards the long form makes: slices of it can be run one after the other."""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SHARDS))
def test_two_hundred_shards_both_ways(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_ways(tmp_path, seed, monkeypatch)
