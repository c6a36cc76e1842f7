"""The recorded answers of Qdrant Edge 0.9.0, but for the differences that the reference lists."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import edgeshard

ROOT = Path(__file__).parent.parent.parent
RECORDED = Path(os.environ.get("EDGESHARD_DATA", ROOT.parent / "shared" / "data")).parent / "spec" / "golden"
TOPICS = ("bm25", "filters", "formula", "queries", "text", "updates")


def deliberate() -> set[str]:
    """Cases that docs/reference/differences.md lists, but for those that need extras where they are installed."""
    page = (ROOT / "docs" / "reference" / "differences.md").read_text(encoding="utf-8")
    extras = all(importlib.util.find_spec(package) for package in ("lindera", "pythainlp"))
    lines = [line for line in page.splitlines() if not (extras and "without the extras" in line)]
    return set(re.findall(r"\b(?:\w+)-1-\d{4}\b", "\n".join(lines)))


@pytest.mark.parametrize("topic", TOPICS)
def test_recorded(topic: str, tmp_path: Path) -> None:
    if not RECORDED.is_dir():
        pytest.skip("the recorded cases are not here")
    spec = importlib.util.spec_from_file_location("run_golden", RECORDED / "run_golden.py")
    assert spec is not None
    assert spec.loader is not None
    runner: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    session = runner.Session(edgeshard, json.loads((RECORDED / "datasets.json").read_text()), str(tmp_path))
    failed = set()
    for line in (RECORDED / f"{topic}.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        results = session.run(case)
        if any(runner.compare(step["expect"], got) for step, got in zip(case["steps"], results, strict=False)):
            failed.add(case["id"])
    for held in session.cache.values():
        held["shard"].close()
    assert failed == {case for case in deliberate() if case.startswith(topic)}
