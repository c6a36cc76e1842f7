"""The benchmark runs, at a size where its times mean nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_exact_search_benchmark_runs(tmp_path, capsys):
    path = Path(__file__).parents[2] / "benchmarks" / "exact_search.py"
    spec = importlib.util.spec_from_file_location("exact_search", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(["--n", "500", "--dim", "20", "--json", str(tmp_path / "out.json")])
    assert result["n"] == 500
    assert "codes, 1 thread" in capsys.readouterr().out
    assert (tmp_path / "out.json").read_text().startswith("{")
