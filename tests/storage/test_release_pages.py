"""Giving back the memory of mapped files loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeshard.storage import overlay
from edgeshard.storage.overlay import PrivateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 64)
    return file


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_in_the_file_is_read_again(path: Path, read_only: bool) -> None:
    file = PrivateFile(path, read_only=read_only)
    before = file.array.copy()
    file.release_pages()
    np.testing.assert_array_equal(file.array, before)


def test_unflushed_changes_stay(path: Path) -> None:
    file = PrivateFile(path)
    file.write(5000, b"changed")
    file.release_pages()
    assert file.array[5000:5007].tobytes() == b"changed"


def test_pinned_files_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PrivateFile(path, read_only=True)
    if not file.pin():
        pytest.skip("this system locks no memory")
    file.release_pages()
    assert file.array[300] == 300 % 256
    monkeypatch.setattr(overlay, "lock_memory", lambda array: False)
    refused = PrivateFile(path, read_only=True)
    assert not refused.pin()
    refused.release_pages()
