"""Putting a new state of a shard in place of the old, so that a kill at any instant leaves one of the two.

::

    .edgeshard-sync-<random>/new/    the new entries of the shard's root, complete and durable
    .edgeshard-sync-<random>/old/    what they replace
    .edgeshard-commit                {"stage": directory, "names": [..], "had": [..], "undo": bool}

Steps: the record is written (this is the moment of truth); the names are renamed from the root to ``old``; once that
is durable, from ``new`` to the root; the record is removed; the directory is removed. A load that finds the record
carries the renames out, each of which is skipped if it was done, and one that finds a directory without a record
removes it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files

LARGE_BYTES = 1 << 20
MAX_HELD = 64
STAGE_PREFIX = ".edgeshard-sync-"
RECORD = ".edgeshard-commit"
NEW, OLD = "new", "old"


def new_stage(root: Path) -> Path:
    """A fresh directory to build the new state in.

    Raises:
        StorageError: it cannot be made.
    """
    stage = root / f"{STAGE_PREFIX}{files.random_suffix(4)}"
    try:
        files.disk.mkdir(stage / NEW)
        files.disk.mkdir(stage / OLD)
    except OSError as error:
        raise StorageError(error.errno, f"cannot create {stage}: {error.strerror}") from error
    return stage


def commit(root: Path, stage: Path, names: Sequence[str]) -> None:
    """Put the entries of ``stage/new`` in place; of the names, those it lacks disappear from the root.

    Everything in the stage must be durable. When this returns the new state is in place; :func:`finish` drops the old
    one and :func:`undo` brings it back.
    """
    had = [name for name in names if os.path.lexists(root / name)]
    files.disk.sync_directory(stage)  # a record that survives a power loss must find what it names
    files.disk.sync_directory(root)
    _write_record(root, stage, names, had, undo=False)
    _forward(root, stage, names, had)


def finish(root: Path, stage: Path) -> None:
    """Make the state in place final and remove the other one."""
    files.disk.unlink(root / RECORD)
    files.disk.sync_directory(root)
    held = _hold_large(stage)
    try:
        files.disk.remove_tree(stage)
    finally:
        if held:
            Thread(target=_let_go, args=(held,), name="edgeshard-let-go", daemon=False).start()


def undo(root: Path) -> None:
    """Bring back what :func:`commit` replaced, and remove the new state; may be called again after an error."""
    record = _read_record(root)
    stage = root / record["stage"]
    _write_record(root, stage, record["names"], record["had"], undo=True)
    _backward(root, stage, record["names"], record["had"])
    finish(root, stage)


def recover(root: Path) -> bool:
    """Finish what a killed process began, and remove what it left; the shard's lock must be held.

    Returns:
        Whether entries of the root may have been replaced.

    Raises:
        CorruptedError: the record cannot be read.
        StorageError: the disk refused; the next attempt goes on.
    """
    try:
        replaced = (root / RECORD).exists()
        if replaced:
            record = _read_record(root)
            stage = root / record["stage"]
            (_backward if record["undo"] else _forward)(root, stage, record["names"], record["had"])
            finish(root, stage)
        for entry in list(os.scandir(root)):
            if entry.name.startswith((STAGE_PREFIX, files.TEMPORARY_PREFIX)) and entry.is_dir(follow_symlinks=False):
                files.disk.remove_tree(entry.path)
        return replaced
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot finish the swap in {root}: {error.strerror}") from error


def pending(root: Path) -> bool:
    """Whether a swap was begun and not finished."""
    return (root / RECORD).exists()


def needs(root: Path, stage: Path) -> bool:
    """Whether the swap that was begun and not finished, if there is one, is to or from a stage."""
    return pending(root) and bool(_read_record(root)["stage"] == stage.name)


def _forward(root: Path, stage: Path, names: Sequence[str], had: Sequence[str]) -> None:
    for name in had:
        if not os.path.lexists(stage / OLD / name):
            files.disk.rename(root / name, stage / OLD / name)
    # if a power loss kept a new entry and lost the rename of the old one, recovery would take the new one for the old
    _sync(root, stage)
    for name in names:
        if os.path.lexists(stage / NEW / name):
            files.disk.rename(stage / NEW / name, root / name)
    _sync(root, stage)


def _backward(root: Path, stage: Path, names: Sequence[str], had: Sequence[str]) -> None:
    for name in names:
        here, new, old = root / name, stage / NEW / name, stage / OLD / name
        if name in had:
            if not os.path.lexists(old):
                continue
            if os.path.lexists(here):
                files.disk.rename(here, new)
            files.disk.rename(old, here)
        elif os.path.lexists(here):
            files.disk.rename(here, new)
    _sync(root, stage)


def _sync(root: Path, stage: Path) -> None:
    for directory in (stage / NEW, stage / OLD, root):
        files.disk.sync_directory(directory)


def _write_record(root: Path, stage: Path, names: Sequence[str], had: Sequence[str], *, undo: bool) -> None:
    record = {"stage": stage.name, "names": list(names), "had": list(had), "undo": undo}
    files.replace_file(root / RECORD, msgspec.json.encode(record))


def _hold_large(stage: Path) -> list[int]:
    """Descriptors of the large files below a directory.

    A file that is held loses its name at once when it is removed; that its blocks are given back, most of the time a
    removal takes, is left to who closes it.
    """
    held: list[int] = []
    for folder, _, names in os.walk(stage):
        for name in names:
            path = os.path.join(folder, name)
            if len(held) < MAX_HELD and os.stat(path).st_size >= LARGE_BYTES:
                try:
                    held.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                except OSError:
                    return held  # no descriptor left: the removal takes a little longer
    return held


def _let_go(held: list[int]) -> None:
    for fd in held:
        os.close(fd)


def _read_record(root: Path) -> dict[str, Any]:
    path = root / RECORD
    try:
        record = files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))
        plain = all(
            name and "/" not in name and not name.startswith(".") for name in [*record["names"], *record["had"]]
        )
        stage = record["stage"]
        if not plain or "/" in stage or not stage.startswith(STAGE_PREFIX) or not isinstance(record["undo"], bool):
            raise ValueError("a name is out of bounds")
        return dict(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedError(path, f"not the record of a swap: {error}") from error
