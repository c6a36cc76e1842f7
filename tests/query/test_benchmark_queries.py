"""The benchmark runs, at a size where its times mean nothing; both engines find as much for every request."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_queries_benchmark_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("queries_benchmark", BENCHMARKS / "queries.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not (module.data_directory() / "pypi30k").is_dir():
        pytest.skip("shared data set pypi30k is not there")
    monkeypatch.setattr("harness.RESULTS", tmp_path)
    module.main(600, 1)
    shown = capsys.readouterr().out
    assert "MMR of 200" in shown
    assert "two threads beside one" in shown
    assert (tmp_path / "queries.json").stat().st_size
