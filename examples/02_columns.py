"""Write columns instead of point objects: ids, one matrix, payloads; then build the graph index."""

import tempfile

import numpy as np

import edgeshard as es

rng = np.random.default_rng(7)
vectors = rng.normal(size=(20_000, 64)).astype(np.float32)
ids = np.arange(len(vectors), dtype=np.uint64)
payloads = [{"shelf": int(number) % 40} for number in ids]

with tempfile.TemporaryDirectory() as folder:
    settings = es.EdgeOptimizersConfig(indexing_threshold=1000)  # KB of vectors from which a graph is built
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=64, distance=es.Distance.Euclid), optimizers=settings)
    with es.EdgeShard.create(f"{folder}/parts", config) as shard:
        for start in range(0, len(vectors), 5000):
            rows = slice(start, start + 5000)
            shard.update(es.UpdateOperation.upsert_batch(ids[rows], vectors[rows], payloads[rows]))
        shard.optimize()
        print(shard.info())
        request = es.QueryRequest(query=es.Query.Nearest(vectors[123]), limit=3, with_payload=True)
        for hit in shard.query(request):
            print(hit.id, round(hit.score, 3), hit.payload)
