"""Create a shard, write points, search with a filter, close and open it again."""

import tempfile

import edgeshard as es

with tempfile.TemporaryDirectory() as folder:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=4, distance=es.Distance.Cosine))
    with es.EdgeShard.create(f"{folder}/notes", config) as shard:
        points = [
            es.Point(1, [0.9, 0.1, 0.0, 0.2], {"title": "buy milk", "done": False}),
            es.Point(2, [0.8, 0.2, 0.1, 0.1], {"title": "buy bread", "done": True}),
            es.Point(3, [0.0, 0.1, 0.9, 0.3], {"title": "call Ada", "done": False}),
        ]
        shard.update(es.UpdateOperation.upsert_points(points))

    with es.EdgeShard.load(f"{folder}/notes") as shard:
        open_tasks = es.Filter(must=[es.FieldCondition(key="done", match=es.MatchValue(False))])
        request = es.QueryRequest(query=es.Query.Nearest([1, 0, 0, 0]), filter=open_tasks, limit=2, with_payload=True)
        for hit in shard.query(request):
            print(f"{hit.score:.3f} {hit.payload['title']}")
