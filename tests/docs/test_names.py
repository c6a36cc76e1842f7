"""Files that the documentation names exist: the targets of its links, and paths in code spans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (ROOT / "docs", ROOT / "examples")
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS for page in sorted(folder.rglob("*.md")))]
SOURCES = [ROOT, ROOT / "src" / "edgeshard", ROOT / "native", ROOT / "docs", ROOT / "benchmarks", ROOT / "tests"]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
ENDINGS, PARTS = "py|cpp|hpp|md|pyi|toml", ("src", "native", "tests", "docs", "benchmarks", "tools")
SPAN = re.compile(rf"`([A-Za-z_][\w/.-]*\.(?:{ENDINGS})|(?:{'|'.join(PARTS)})/[\w/]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [target for target in LINK.findall(text) if not (page.parent / target).exists()]
    assert not links
    spans = [span for span in SPAN.findall(text) if not found(span.rstrip("/"))]
    assert not spans


def found(name: str) -> bool:
    """Whether a path is one from a folder of ours, or the end of one."""
    if any((folder / name).exists() for folder in SOURCES):
        return True
    return any(path.as_posix().endswith(f"/{name}") for part in PARTS for path in (ROOT / part).rglob(Path(name).name))
