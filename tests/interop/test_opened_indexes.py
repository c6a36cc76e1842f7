"""Index files of optimised segments, of either engine's making, answer filters without a payload being read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from indexed_shard import answers, conditions, copy_of, make_shard, passing, scores, state

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
    read = Segment.read_batch

    def refuse(self: Segment, offsets: Any) -> Any:
        assert self.appendable, "a payload is read"
        return read(self, offsets)

    patch.setattr(Segment, "read_batch", refuse)


def from_files(mod: Any) -> dict[Any, Any]:
    """The conditions that index files alone can answer: prefixes and nested fields go by the payloads."""
    return {name: test for name, test in conditions(mod).items() if not name[0].startswith(("arr", "prefix"))}


@pytest.mark.parametrize("maker", ENGINES)
def test_answers_come_from_the_files(maker: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = qdrant_edge.EdgeShard.load(str(copy_of(shards / maker, tmp_path / "theirs")))
    ours = edgeshard.EdgeShard.load(str(copy_of(shards / maker, tmp_path / "ours")))
    asked = from_files(qdrant_edge)
    hits = 0
    with monkeypatch.context() as context:
        refuse_payloads(context)
        for name, test in from_files(edgeshard).items():
            found = passing(edgeshard, ours, test)
            assert found == passing(qdrant_edge, theirs, asked[name]), name
            hits += len(found)
        for field in ("ts", "tps"):
            for text in ("w1", "w3 w4 w5"):
                best = ours.query(edgeshard.QueryRequest(limit=50, query=edgeshard.TextQuery(field, text)))
                expected = theirs.query(qdrant_edge.QueryRequest(limit=50, query=qdrant_edge.TextQuery(field, text)))
                assert [hit.score for hit in best] == pytest.approx([hit.score for hit in expected], rel=1e-4)
    assert hits > 1000
    for field, info in ours.info().payload_schema.items():
        if field != "arr[].t":  # 0.9.0 counts fewer than have a token once such an index is immutable
            assert info.points == theirs.info().payload_schema[field].points, field
    for shard in (ours, theirs):
        shard.close()


@pytest.mark.parametrize(
    "file", ["data.bin", "values_to_points.bin", "point_to_values.bin", "postings.dat", "vocab.dat"]
)
@pytest.mark.parametrize(
    "damage",
    [b"", b"\xff" * 64, b"str\0\0\0\0\0" + b"\x7f" * 5000],
    ids=["empty", "ones", "of another kind"],
)
def test_damaged_files_are_told_and_written_anew(file: str, damage: bytes, shards: Path, tmp_path: Path) -> None:
    copy = copy_of(shards / "ours", tmp_path / "copy")
    (copy / "edgeshard.checksums").unlink(missing_ok=True)  # they would tell first
    for path in copy.glob(f"segments/*/payload_index/*/{file}"):
        path.write_bytes(damage)
    whole = edgeshard.EdgeShard.load(str(copy_of(shards / "ours", tmp_path / "whole")))
    expected = {name: passing(edgeshard, whole, test) for name, test in from_files(edgeshard).items()}
    whole.close()
    shard = edgeshard.EdgeShard.load(str(copy))
    with pytest.warns(RuntimeWarning, match="is rebuilt from the payloads"):
        said = {name: passing(edgeshard, shard, test) for name, test in from_files(edgeshard).items()}
        shard.info()  # point_to_values.bin of most kinds is needed for this only
    assert said == expected
    shard.flush()
    said = {name: passing(edgeshard, shard, test) for name, test in from_files(edgeshard).items()}
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
                    name: passing(other, shard, test) for name, test in from_files(other).items()
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


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_two_hundred_shards_both_ways(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_ways(tmp_path, seed, monkeypatch)
