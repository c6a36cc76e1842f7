"""Dense and BM25 vectors fused: two prefetches ranked together by reciprocal rank."""

import tempfile

import edgeshard as es

TEXTS = {
    1: "the robot arm picks up the red cup",
    2: "a kiosk that sells train tickets",
    3: "the arm of the robot needs oil",
}
MEANINGS = {1: [0.9, 0.1, 0.1], 2: [0.0, 0.9, 0.2], 3: [0.8, 0.0, 0.6]}

with tempfile.TemporaryDirectory() as folder:
    config = es.EdgeConfig(
        vectors={"meaning": es.EdgeVectorParams(size=3, distance=es.Distance.Cosine)},
        sparse_vectors={"words": es.EdgeSparseVectorParams(modifier=es.Modifier.Idf)},
    )
    bm25 = es.Bm25()
    with es.EdgeShard.create(f"{folder}/hybrid", config) as shard:
        points = [
            es.Point(key, {"meaning": MEANINGS[key], "words": bm25.embed_document(text)}, {"text": text})
            for key, text in TEXTS.items()
        ]
        shard.update(es.UpdateOperation.upsert_points(points))
        request = es.QueryRequest(
            prefetches=[
                es.Prefetch(query=es.Query.Nearest([1, 0, 0.3], using="meaning"), limit=10),
                es.Prefetch(query=es.Query.Nearest(bm25.embed_query("robot oil"), using="words"), limit=10),
            ],
            query=es.Fusion.Rrf(k=2),
            limit=3,
            with_payload=True,
        )
        for hit in shard.query(request):
            print(f"{hit.score:.3f} {hit.payload['text']}")
