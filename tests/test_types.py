"""What a strict type checker says of a user's program, and the version of the package."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import edgeshard

ROOT = Path(__file__).parent.parent
PROGRAM = Path(__file__).with_name("data_typed_program.py")


def test_a_strict_checker_refuses_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path, PROGRAM]
    environment = {"MYPYPATH": str(ROOT / "src"), "PATH": ""}
    checked = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert not checked.stderr
    found = {int(line) for line in re.findall(rf"{PROGRAM.name}:(\d+): error", checked.stdout)}
    lines = PROGRAM.read_text(encoding="utf-8").splitlines()
    assert found == {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}, checked.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    assert edgeshard.__version__ == version("edgeshard")
    script = "import sys, edgeshard; edgeshard.__version__; print('importlib.metadata' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"
