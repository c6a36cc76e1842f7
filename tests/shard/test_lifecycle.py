"""Creating, loading, closing, locking: what api-behaviour asks for, and where the other engine does worse."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard as es

OPS = es.UpdateOperation


def config(**options: Any) -> es.EdgeConfig:
    return es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot), **options)


def put(shard: es.EdgeShard, *ids: int) -> None:
    shard.update(OPS.upsert_points([es.Point(point, [1.0, point], {"n": point}) for point in ids]))


def ids(shard: es.EdgeShard) -> list[Any]:
    return [record.id for record in shard.scroll(es.ScrollRequest(limit=1000))[0]]


def tree(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


# --- create ----------------------------------------------------------------------------------------------


def test_create_makes_parents(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "a" / "b" / "c", config()) as shard:
        put(shard, 1)
    with es.EdgeShard.load(str(tmp_path / "a" / "b" / "c")) as shard:
        assert ids(shard) == [1]


def test_create_refuses_a_directory_with_segments(tmp_path: Path) -> None:
    es.EdgeShard.create(tmp_path / "s", config()).close()
    before = tree(tmp_path)
    with pytest.raises(es.StorageError, match="cannot create edge shard: path already contains segment data"):
        es.EdgeShard.create(tmp_path / "s", config())
    assert tree(tmp_path) == before


def test_create_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(es.StorageError, match="failed to create directory"):
        es.EdgeShard.create(tmp_path / "file", config())


@pytest.mark.parametrize("path", ["", b"bytes", None, 3])
def test_create_refuses_a_wrong_path(path: Any) -> None:
    with pytest.raises((es.ValidationError, TypeError)):
        es.EdgeShard.create(path, config())


def test_create_needs_a_config(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="EdgeConfig"):
        es.EdgeShard.create(tmp_path / "s", None)  # type: ignore[arg-type]
    assert tree(tmp_path) == []


def test_failed_create_leaves_nothing(tmp_path: Path) -> None:
    name = "x" * 250  # its directory cannot be made
    bad = es.EdgeConfig(vectors={name: es.EdgeVectorParams(size=2, distance=es.Distance.Dot)})
    with pytest.raises(es.EdgeShardError):
        es.EdgeShard.create(tmp_path / "new" / "s", bad)
    assert tree(tmp_path) == []
    (tmp_path / "s").mkdir()
    with pytest.raises(es.EdgeShardError):
        es.EdgeShard.create(tmp_path / "s", bad)
    assert tree(tmp_path) == ["s"]
    es.EdgeShard.create(tmp_path / "s", config()).close()


@pytest.mark.parametrize("name", ["..", "../x", "a/../../b"])
def test_vector_name_cannot_escape(tmp_path: Path, name: str) -> None:
    bad = es.EdgeConfig(vectors={name: es.EdgeVectorParams(size=2, distance=es.Distance.Dot)})
    with pytest.raises(es.ValidationError, match="must not escape"):
        es.EdgeShard.create(tmp_path / "s", bad)
    assert tree(tmp_path) == []
    (tmp_path / "s").mkdir()
    with pytest.raises(es.ValidationError, match="must not escape"):
        es.EdgeShard.load(tmp_path / "s", bad)  # an empty directory, in which a segment would be made
    assert "segments" not in os.listdir(tmp_path / "s")
    assert sorted(os.listdir(tmp_path)) == ["s"]


@pytest.mark.parametrize(("kind", "most"), [("Float32", 1 << 23), ("Float16", 1 << 24), ("Uint8", 1 << 25)])
def test_a_vector_fits_a_file_of_its_storage(tmp_path: Path, kind: str, most: int) -> None:
    datatype = getattr(es.VectorStorageDatatype, kind)
    for size in (most + 1, 2**31, 2**64 - 1):
        params = es.EdgeVectorParams(size, es.Distance.Dot, datatype=datatype)
        with pytest.raises(es.ValidationError, match=f"at most {most} can be stored"):
            es.EdgeShard.create(tmp_path / "s", es.EdgeConfig(vectors=params))
    with es.EdgeShard.create(tmp_path / "s", config()) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1.0, 2.0])]))
        with pytest.raises(es.ValidationError, match=f"at most {most} can be stored"):
            shard.update(es.UpdateOperation.create_dense_vector("x", most + 1, es.Distance.Dot, datatype=datatype))
        shard.update(es.UpdateOperation.create_dense_vector("x", most, es.Distance.Dot, datatype=datatype))
    with es.EdgeShard.load(tmp_path / "s") as shard:
        assert shard.count(es.CountRequest()) == 1


def test_no_constructor() -> None:
    with pytest.raises(TypeError, match="cannot create 'EdgeShard' instances"):
        es.EdgeShard()


# --- load ------------------------------------------------------------------------------------------------


def test_load_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(es.StorageError, match="does not exist"):
        es.EdgeShard.load(tmp_path / "missing")
    with pytest.raises(es.StorageError, match="edge config is not provided and no segments were loaded"):
        es.EdgeShard.load(tmp_path)
    assert tree(tmp_path) == []


def test_load_without_the_segments_that_the_log_builds_on(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        for number in (1, 2, 3):
            put(shard, number)
    (tmp_path / "edgeshard.checksums").unlink()
    (tmp_path / "segments").rename(tmp_path / "kept")
    with pytest.raises(es.CorruptedError, match="there is no segment, but the log says"):
        es.EdgeShard.load(tmp_path)
    with es.EdgeShard.load(tmp_path, verify=None) as shard:
        assert ids(shard) == [3]


def test_load_without_segments_of_a_log_that_holds_everything(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        put(shard, 1)
    (tmp_path / "edgeshard.checksums").unlink()
    (tmp_path / "segments").rename(tmp_path / "kept")
    with es.EdgeShard.load(tmp_path) as shard:
        assert ids(shard) == [1]


def test_load_with_config_opens_or_creates(tmp_path: Path) -> None:
    with es.EdgeShard.load(tmp_path, config()) as shard:
        put(shard, 1)
    with es.EdgeShard.load(tmp_path, config()) as shard:
        assert ids(shard) == [1]


def test_load_refuses_another_size(tmp_path: Path) -> None:
    es.EdgeShard.create(tmp_path, config()).close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    other = es.EdgeConfig(vectors=es.EdgeVectorParams(size=3, distance=es.Distance.Dot))
    with pytest.raises(es.ValidationError, match="config is incompatible with existing segments"):
        es.EdgeShard.load(tmp_path, other)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_wal_setting_is_fixed(tmp_path: Path) -> None:
    es.EdgeShard.create(tmp_path, config(wal_enabled=False)).close()
    with pytest.raises(es.ValidationError, match="wal_enabled cannot be changed"):
        es.EdgeShard.load(tmp_path, config(wal_enabled=True))
    es.EdgeShard.load(tmp_path, config()).close()


def test_missing_config_is_derived(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        put(shard, 1, 2)
    (tmp_path / "edge_config.json").unlink()
    with es.EdgeShard.load(tmp_path) as shard:
        assert ids(shard) == [1, 2]
        assert shard.config.vectors[""].size == 2


def test_segment_without_version_is_not_deleted(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        put(shard, 1)
    (version,) = tmp_path.glob("segments/*/version.info")
    version.unlink()
    with pytest.raises(es.CorruptedError, match=r"version\.info"):
        es.EdgeShard.load(tmp_path)
    assert version.parent.is_dir()


def test_lost_log_does_not_swallow_updates(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        for _ in range(4):
            put(shard, 1)
    shutil.rmtree(tmp_path / "wal")
    with es.EdgeShard.load(tmp_path) as shard:
        shard.update(OPS.set_payload([1], {"n": "new"}))
        assert shard.retrieve([1])[0].payload == {"n": "new"}


def test_log_with_a_refused_operation_opens(tmp_path: Path) -> None:
    """The other engine logs before it validates; what it refused must not be applied, nor block the load."""
    shard = qdrant_edge.EdgeShard.create(
        str(tmp_path / "theirs"),
        qdrant_edge.EdgeConfig(vectors=qdrant_edge.EdgeVectorParams(size=2, distance=qdrant_edge.Distance.Dot)),
    )
    ops = qdrant_edge.UpdateOperation
    shard.update(ops.upsert_points([qdrant_edge.Point(1, [1.0, 2.0], {"n": 1})]))
    for vector in ({"misspelt": [1.0, 2.0]}, [1.0, 2.0, 3.0]):
        with pytest.raises(Exception, match="rror"):
            shard.update(ops.upsert_points([qdrant_edge.Point(1, vector)]))
    copy = tmp_path / "copy"
    # As a kill would leave it. A thread of the other engine may still be making its spare log file, wal/tmp-open-2,
    # which gets its final name while the directory is copied.
    shutil.copytree(tmp_path / "theirs", copy, ignore=shutil.ignore_patterns("tmp-open-*"))
    shard.close()
    with pytest.warns(RuntimeWarning, match="passed over"), es.EdgeShard.load(copy) as ours:
        (record,) = ours.retrieve([1], True, True)
        assert (record.payload, record.vector) == ({"n": 1}, [1.0, 2.0])


# --- close, process, threads -----------------------------------------------------------------------------


def test_deleted_points_are_no_damage(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "s", config()) as shard:
        put(shard, 1, 2, 3)
        shard.flush()
        shard.update(OPS.delete_points([2]))
    with es.EdgeShard.load(tmp_path / "s") as shard:  # a warning would fail the test
        assert ids(shard) == [1, 3]


def test_closed_shard(tmp_path: Path) -> None:
    shard = es.EdgeShard.create(tmp_path, config())
    shard.close()
    shard.close()
    for call in (shard.flush, shard.info, shard.optimize, lambda: put(shard, 1), lambda: ids(shard)):
        with pytest.raises(es.ClosedError, match="Shard is not initialized"):
            call()
    assert "closed" in repr(shard)


def test_context_manager_closes_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), es.EdgeShard.create(tmp_path, config()) as shard:
        put(shard, 1)
        raise KeyError
    with es.EdgeShard.load(tmp_path) as shard:
        assert ids(shard) == [1]


def test_forgotten_shard_is_flushed_and_unlocked(tmp_path: Path) -> None:
    shard = es.EdgeShard.create(tmp_path, config(wal_enabled=False))
    put(shard, 1, 2)
    del shard
    gc.collect()
    with es.EdgeShard.load(tmp_path) as shard:
        assert ids(shard) == [1, 2]


def test_end_of_the_interpreter_flushes(tmp_path: Path) -> None:
    code = (
        "import sys, edgeshard as es\n"
        "config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot), wal_enabled=False)\n"
        "shard = es.EdgeShard.create(sys.argv[1], config)\n"
        "shard.update(es.UpdateOperation.upsert_points([es.Point(5, [1, 2])]))\n"
    )
    subprocess.check_call([sys.executable, "-c", code, str(tmp_path / "s")])
    with es.EdgeShard.load(tmp_path / "s") as shard:
        assert ids(shard) == [5]


@pytest.mark.parametrize("wal", [True, False])
def test_second_handle_is_refused(tmp_path: Path, wal: bool) -> None:
    with es.EdgeShard.create(tmp_path, config(wal_enabled=wal)):
        with pytest.raises(es.LockedError, match=str(os.getpid())):
            es.EdgeShard.load(tmp_path)
        code = "import sys, edgeshard as es\ntry: es.EdgeShard.load(sys.argv[1])\nexcept es.LockedError as e: print(e)"
        answer = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True)
        assert str(os.getpid()) in answer
    es.EdgeShard.load(tmp_path).close()


def test_the_other_engine_is_kept_out(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()), pytest.raises(Exception, match="WouldBlock"):
        qdrant_edge.EdgeShard.load(str(tmp_path))
    theirs = qdrant_edge.EdgeShard.load(str(tmp_path))
    with pytest.raises(es.LockedError, match="WouldBlock"):
        es.EdgeShard.load(tmp_path)
    theirs.close()


def test_forked_child_gets_an_error(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        put(shard, 1)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                shard.count(es.CountRequest())
            except es.ForkedShardError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        put(shard, 2)
        assert ids(shard) == [1, 2]


def test_threads_share_a_shard(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path, config()) as shard:
        failures: list[BaseException] = []

        def work(first: int) -> None:
            try:
                for number in range(50):
                    put(shard, first + number)
                    shard.query(es.QueryRequest(query=es.Query.Nearest([1, 1]), limit=3))
                    shard.retrieve([first])
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(1000 * number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures
        assert shard.count(es.CountRequest()) == 200


def test_errors_pickle(tmp_path: Path) -> None:
    for error in (es.CorruptedError("file", "torn", 7), es.VectorDimensionError(4, 2)):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
