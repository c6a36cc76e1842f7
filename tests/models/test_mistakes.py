"""What the errors of likely mistakes say: which value, what is allowed, what to do."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es

ops = es.UpdateOperation
ONE = es.EdgeConfig(vectors=es.EdgeVectorParams(4, es.Distance.Cosine))
NAMED = es.EdgeConfig(vectors={"image": es.EdgeVectorParams(4, es.Distance.Cosine)})


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: es.EdgeShard("notes"), "use EdgeShard.create(path, config) or load(path)"),
        (lambda: es.EdgeVectorParams(4, "cosine"), "distance: expected Distance, got str: write Distance.Cosine"),
        (lambda: es.EdgeVectorParams(4, "L2"), "got str: there are Distance.Cosine, Distance.Euclid"),
        (lambda: ops.create_field_index("n", "keyword"), "write PayloadSchemaType.Keyword"),
        (lambda: ops.upsert_points([es.Point(1, [1]), {"id": 2}]), "points[1]: expected Point, got dict"),
        (lambda: es.Point(1, ["a"]), "vector: expected a number in a vector, got str"),
        (
            lambda: es.Point(1, [1], {"when": {"day": datetime.date.today()}}),
            "got date (under the key 'when')",
        ),
        (lambda: es.Point(1, [1], {"when": datetime.date.today()}), "write dates as text, with isoformat()"),
        (lambda: es.Point(1, [1], {"n": [float("nan")]}), "JSON has no such number (under the key 'n')"),
        (lambda: es.Point(1, [1], {"a": {1: 2}}), "payload keys must be strings, got int (under the key 'a')"),
        (lambda: ops.upsert_batch([1, 2], np.zeros((2, 4)), ["{}", "{a}"]), "payloads[1] is not JSON"),
        (lambda: ops.upsert_batch([1, 2], np.zeros((2, 4)), ["{}", "7"]), "payloads[1] must be a JSON object, got int"),
        (lambda: es.SparseVector([3, -1], [1, 1]), "from 0 to 2**32 - 1, got -1"),
        (lambda: es.SparseVector([3, 2**70], [1, 1]), f"got {2**70}"),
        (lambda: es.SnapshotLimits(depth="x"), "depth: expected an integer, got str"),
        (lambda: es.EdgeShard.load(5), "path must be str or os.PathLike[str], not int"),
    ],
)
def test_mistakes_of_arguments(mistake: Callable[[], object], said: str) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        mistake()
    assert said in str(caught.value)


def test_names_and_sizes_of_vectors(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "named", NAMED) as shard:
        for operation in (
            ops.upsert_points([es.Point(1, {"image": [1, 2]})]),
            ops.upsert_batch([1], {"image": np.zeros((1, 2))}),
        ):
            with pytest.raises(es.VectorDimensionError, match=r"expected dim: 4, got 2 for vector 'image'"):
                shard.update(operation)
        with pytest.raises(es.VectorDimensionError, match="for vector 'image'"):
            shard.query_arrays([1, 2], limit=1, using="image")
        for call in (
            lambda: shard.update(ops.upsert_points([es.Point(1, [1, 2, 3, 4])])),
            lambda: shard.query(es.QueryRequest(query=es.Query.Nearest([1, 2, 3, 4]), limit=1)),
        ):
            with pytest.raises(es.VectorNameNotFoundError, match=r"No vector name was given\. This shard has: 'image'"):
                call()
        shard.update(ops.upsert_points([es.Point(1, {"image": [1, 2, 3, 4]})]))
        for call in (
            lambda: shard.retrieve([1], with_vector=["word"]),
            lambda: shard.update(ops.delete_vectors([], ["word"])) or shard.retrieve([1], with_vector=["word"]),
        ):
            with pytest.raises(es.VectorNameNotFoundError, match=r"error: word\. This shard has: 'image'"):
                call()
    with es.EdgeShard.create(tmp_path / "one", ONE) as shard:
        with pytest.raises(es.VectorNameNotFoundError, match="This shard has: the unnamed vector"):
            shard.update(ops.upsert_points([es.Point(1, {"image": [1, 2, 3, 4]})]))
        with pytest.raises(es.WrongVectorKindError, match="the unnamed vector stores dense vectors"):
            shard.update(ops.upsert_points([es.Point(1, [[1, 2, 3, 4]])]))


def test_another_configuration(tmp_path: Path) -> None:
    es.EdgeShard.create(tmp_path / "one", ONE).close()
    for size, distance, said in (
        (5, es.Distance.Cosine, "size 4, not 5"),
        (4, es.Distance.Dot, "distance Cosine, not Dot"),
    ):
        with pytest.raises(es.ValidationError, match=f"the unnamed vector has {said}; it cannot be changed"):
            es.EdgeShard.load(tmp_path / "one", es.EdgeConfig(vectors=es.EdgeVectorParams(size, distance)))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_in_place_of_the_directory(read_only: bool, tmp_path: Path) -> None:
    (tmp_path / "shard").touch()
    with pytest.raises(es.StorageError, match="shard is a file, not the directory of a shard"):
        es.EdgeShard.load(tmp_path / "shard", read_only=read_only)


def test_python_says_which_name_was_meant() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import edgeshard; edgeshard.EdgeShad"], capture_output=True, text=True
    )
    assert "Did you mean: 'EdgeShard'?" in done.stderr
