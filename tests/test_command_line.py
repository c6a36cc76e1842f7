"""What the command line prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgeshard
from edgeshard import EdgeShard, SparseVector, UpdateOperation
from edgeshard.__main__ import main


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "shard"
    config = edgeshard.EdgeConfig(
        vectors={"d": edgeshard.EdgeVectorParams(2, edgeshard.Distance.Dot)},
        sparse_vectors={"s": edgeshard.EdgeSparseVectorParams()},
    )
    with EdgeShard.create(path, config) as made:
        vector = {"d": [1.0, 2.0], "s": SparseVector([1, 5], [0.5, 2.0])}
        made.update(UpdateOperation.upsert_points([edgeshard.Point(n, vector, {"n": n}) for n in range(3000)]))
    return path


def test_points_are_json(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scroll", str(shard), "--limit", "2", "--vectors"]) == 0
    points = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    vector = {"d": [1.0, 2.0], "s": {"indices": [1, 5], "values": [0.5, 2.0]}}
    assert points == [{"id": n, "payload": {"n": n}, "vector": vector} for n in range(2)]


@pytest.mark.parametrize(
    "arguments", [["scroll", "--limit", "-1"], ["recall", "--ef", "-5"], ["recall", "--seed", "x"]]
)
def test_numbers_that_are_none(arguments: list[str], shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([arguments[0], str(shard), *arguments[1:]])
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeshard", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, encoding="utf-8")


def test_an_output_without_the_characters(tmp_path: Path) -> None:
    path = tmp_path / "日本"
    with EdgeShard.create(
        path, edgeshard.EdgeConfig(vectors=edgeshard.EdgeVectorParams(2, edgeshard.Distance.Dot))
    ) as made:
        made.update(UpdateOperation.create_field_index("été", edgeshard.PayloadSchemaType.Keyword))
        made.update(UpdateOperation.upsert_points([edgeshard.Point(1, [1, 2], {"text": "日本 \U0001f600"})]))
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = run("scroll", str(path), PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["payload"] == {"text": "日本 \U0001f600"}
    assert r"\xe9t\xe9" in run("info", str(path), PYTHONIOENCODING="ascii").stdout
    absent = run("count", str(tmp_path / "été"), PYTHONIOENCODING="ascii")
    assert (absent.returncode, "Traceback" in absent.stderr) == (2, False)


@pytest.mark.parametrize("command", ["info", "scroll", "count"])
def test_an_output_that_was_closed(command: str, shard: Path) -> None:
    script = f"{sys.executable} -m edgeshard {command} {shard} >&-"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_interrupted(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EdgeShard, "count", interrupt)
    assert main(["count", str(shard)]) == 130


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"edgeshard {edgeshard.__version__}\n"


def test_a_reader_that_has_seen_enough(shard: Path) -> None:
    command = [sys.executable, "-m", "edgeshard", "scroll", str(shard), "--limit", "3000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 0
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_damage_that_nothing_can_mend(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = shard.glob("segments/*/vector_storage-d/vectors/chunk_0.mmap")
    content = bytearray(file.read_bytes())
    content[1] ^= 8
    file.write_bytes(content)
    assert main(["check", str(shard)]) == 1
    assert main(["info", str(shard)]) == 2
    assert "chunk_0.mmap" in capsys.readouterr().err
    assert main(["repair", str(shard)]) == 1
    assert "still wrong" in capsys.readouterr().out
    assert main(["repair", str(shard)]) == 0
    assert main(["count", str(shard)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3000"


@pytest.mark.parametrize("command", ["check", "repair", "info", "count"])
def test_a_directory_without_a_shard(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
