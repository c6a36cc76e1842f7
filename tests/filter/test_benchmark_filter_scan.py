"""The benchmark runs, at a size where its times mean nothing; its counts are checked against the oracle's."""

import importlib.util
from pathlib import Path


def test_filter_scan_benchmark_runs(tmp_path, capsys):
    path = Path(__file__).parents[2] / "benchmarks" / "filter_scan.py"
    spec = importlib.util.spec_from_file_location("filter_scan", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(["--n", "2000", "--json", str(tmp_path / "out.json")])
    assert result["keyword"]["points"] > 0
    assert "columns take" in capsys.readouterr().out
    assert (tmp_path / "out.json").read_text().startswith("{")
