"""What takes room on the disk, and pictures of it and of recall."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard.__main__ import main
from edgeshard.plot import plot_recall, plot_sizes

STARTS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard with a graph over codes, a payload index and points behind neither."""
    path = tmp_path_factory.mktemp("plot") / "shard"
    config = es.EdgeConfig(
        vectors=es.EdgeVectorParams(
            8, es.Distance.Cosine, quantization_config=es.ScalarQuantizationConfig(es.ScalarType.Int8)
        ),
        hnsw_config=es.HnswIndexConfig(m=4, ef_construct=8, full_scan_threshold=10),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=10),
    )
    rows = np.random.default_rng(3).normal(size=(2100, 8)).astype(np.float32)
    with es.EdgeShard.create(path, config) as made:
        made.update(es.UpdateOperation.create_field_index("n", es.PayloadSchemaType.Integer))
        made.update(es.UpdateOperation.upsert_batch(np.arange(2000), rows[:2000], [{"n": n} for n in range(2000)]))
        made.optimize()
        made.update(es.UpdateOperation.upsert_batch(np.arange(2000, 2100), rows[2000:]))
    return path


def test_every_file_is_counted_once(shard: Path) -> None:
    usage = es.disk_usage(shard)
    files = [path for path in shard.rglob("*") if path.is_file()]
    assert sum(kind.files for kind in usage) == len(files)
    assert sum(kind.size_bytes for kind in usage) == sum(path.stat().st_size for path in files)
    by_kind = {kind.kind: kind for kind in usage}
    assert {"vectors", "quantized vectors", "vector indexes", "payloads", "payload indexes", "ids", "log"} <= set(
        by_kind
    )
    assert [kind.disk_bytes for kind in usage] == sorted((kind.disk_bytes for kind in usage), reverse=True)
    graphs = [path for path in files if path.parent.name == "vector_index"]
    assert by_kind["vector indexes"].files == len(graphs)
    assert by_kind["quantized vectors"].files == len([path for path in files if path.name.startswith("quantized")])


@pytest.mark.parametrize("ending", sorted(STARTS))
def test_pictures(ending: str, shard: Path, tmp_path: Path) -> None:
    with es.EdgeShard.load(shard, read_only=True) as reader:
        reports = [reader.measure_recall(20, limit=4, ef=ef) for ef in (16, 4, 8, 4)]
    for draw, data in ((plot_recall, reports), (plot_sizes, es.disk_usage(shard))):
        path = draw(data, tmp_path / f"{draw.__name__}{ending}")
        assert path.read_bytes().startswith(STARTS[ending])


def test_what_cannot_be_drawn(shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = es.disk_usage(shard)
    with pytest.raises(es.ValidationError, match=r"must end in \.svg"):
        plot_sizes(usage, tmp_path / "sizes.docx")
    with pytest.raises(es.ValidationError, match="nothing to draw"):
        plot_sizes([], tmp_path / "sizes.svg")
    with es.EdgeShard.create(tmp_path / "flat", es.EdgeConfig(vectors=es.EdgeVectorParams(2, es.Distance.Dot))) as flat:
        flat.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 2]), es.Point(2, [2, 1])]))
        with pytest.raises(es.ValidationError, match="no segment has a graph"):
            plot_recall([flat.measure_recall(2)], tmp_path / "recall.svg")
    with pytest.raises(es.StorageError, match="holds no shard"):
        es.disk_usage(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'edgeshard\[plot\]'"):
        plot_sizes(usage, tmp_path / "sizes.svg")
    assert not list(tmp_path.glob("*.svg"))


def test_the_command_line_draws_and_prints(shard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "recall.svg"
    arguments = ["recall", str(shard), "--sample", "20", "--limit", "4", "--ef"]
    assert main([*arguments, "4,16", "--plot", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["20", "ef", "4", "16"]
    assert picture.exists()
    assert main([*arguments, "4,16", "--json"]) == 0
    assert [json.loads(line)["ef"] for line in capsys.readouterr().out.splitlines()] == [4, 16]
    assert main(["sizes", str(shard), "--json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [kind["size_bytes"] for kind in printed] == [kind.size_bytes for kind in es.disk_usage(shard)]
    assert main(["sizes", str(shard)]) == 0
    assert "in all" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("file", ["recall.docx", "absent/recall.svg"])
def test_a_file_that_cannot_be_drawn_to_is_refused_first(
    file: str, shard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["recall", str(shard), "--plot", file])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "--plot" in said.err
    assert not said.out


def test_nothing_is_imported_before_it_is_drawn() -> None:
    script = "import sys, edgeshard.plot; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"
