"""What the README and the demo promise works as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_readme_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert "buy milk" in capsys.readouterr().out


def test_readme_links_exist() -> None:
    for page in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"


def test_demo(tmp_path: Path) -> None:
    output = subprocess.check_output(
        [sys.executable, ROOT / "examples" / "demo.py", tmp_path / "shard", "--questions", "1"], text=True
    )
    assert "4000/4000 points" in output
    assert "torch" in output
    assert output.rstrip().endswith("Same answers as before.")
