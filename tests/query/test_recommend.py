"""Best-score recommendation among the nearest points of its examples gives what scoring all points gives."""

import numpy as np
import pytest

import edgeshard as e
from edgeshard.query import recommend


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_the_shortlist_is_exact(tmp_path, monkeypatch, distance):
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(4000, 8)).astype(np.float32)
    vectors[1000:1400] = vectors[7]  # ties: only scoring all points can tell
    config = e.EdgeConfig(vectors=e.EdgeVectorParams(8, getattr(e.Distance, distance)))
    shard = e.EdgeShard.create(tmp_path, config)
    points = [e.Point(n, row, {"odd": n % 2}) for n, row in enumerate(vectors)]
    shard.update(e.UpdateOperation.upsert_points(points))
    shard.update(e.UpdateOperation.delete_points(list(range(0, 4000, 9))))
    odd = e.Filter(must=[e.FieldCondition("odd", match=e.MatchValue(1))])
    requests = []
    for _ in range(25):
        examples = [vectors[n] + rng.normal(scale=0.3, size=8).astype(np.float32) for n in rng.integers(4000, size=5)]
        positives = int(rng.integers(0, 4))
        query = e.Query.RecommendBestScore(
            e.RecommendQuery(examples[:positives], examples[3 : 3 + int(rng.integers(3))])
        )
        requests.append(e.QueryRequest(limit=int(rng.integers(1, 12)), query=query, filter=rng.choice([None, odd])))
    near_ties = e.Query.RecommendBestScore(e.RecommendQuery([vectors[7]], []))
    requests.append(e.QueryRequest(limit=5, query=near_ties))
    answered = []
    whole = recommend.best_score

    def watched(*arguments):
        found = whole(*arguments)
        answered.append(found is not None)
        return found

    monkeypatch.setattr(recommend, "best_score", watched)
    short = [shard.query(request) for request in requests]
    assert sum(answered) > 10
    assert not all(answered)
    monkeypatch.setattr(recommend, "best_score", lambda *arguments: None)
    for request, found in zip(requests, short, strict=True):
        expected = shard.query(request)
        assert [hit.id for hit in found] == [hit.id for hit in expected], request
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], rel=1e-6, abs=1e-6)
    shard.close()
