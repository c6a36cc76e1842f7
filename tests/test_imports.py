"""Imports point downward only, along the path a request takes (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edgeshard

PACKAGE = Path(__file__).parent.parent / "src" / "edgeshard"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "ending": {"_native"},
    "models": {"errors", "_native", "text"},
    "text": {"errors", "_native", "models"},
    "storage": {"errors", "_native"},
    "filter": {"errors", "_native", "models"},
    "index": {"errors", "_native", "models", "storage", "text", "filter"},
    "segment": {"errors", "_native", "models", "storage", "filter", "index"},
    "query": {"errors", "_native", "models", "storage", "text", "filter", "index", "segment"},
    "shard": {"errors", "ending", "_native", "models", "storage", "filter", "index", "segment", "query"},
    "arrow": {"models"},
    "aio": {"errors", "models", "query", "shard", "storage"},
}
"""What each folder may import of the package, besides itself."""

FACES = {"sync", "plot", "__main__"}
"""Use the public names only."""


def imports_of(path: Path) -> set[str]:
    """Top-level parts of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "edgeshard":
                names = [f"edgeshard.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("edgeshard.")}
    return found


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_point_downward(part: str) -> None:
    folder = PACKAGE / part
    files = [PACKAGE / f"{part}.py"] if not folder.is_dir() else sorted(folder.rglob("*.py"))
    assert files
    for file in files:
        upward = imports_of(file) - MAY_IMPORT[part] - {part}
        assert not upward, f"{file.relative_to(PACKAGE)} imports {sorted(upward)}"


@pytest.mark.parametrize("face", sorted(FACES))
def test_faces_use_public_names_only(face: str) -> None:
    folder = PACKAGE / face
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{face}.py"]
    used = set().union(*(imports_of(file) for file in files))
    assert used
    assert used <= {*FACES, *edgeshard.__all__}


def test_every_part_has_its_rule() -> None:
    parts = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert parts - {"__init__"} == set(MAY_IMPORT) | FACES


def test_package_never_imports_the_other_engine() -> None:
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not any(name.split(".")[0] == "qdrant_edge" for name in names), file


def test_import_loads_no_optional_dependency() -> None:
    code = (
        "import sys, edgeshard; edgeshard.EdgeShard; "
        "print([m for m in ('pyarrow', 'pandas', 'matplotlib', 'httpx', 'Stemmer', 'zstandard') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
