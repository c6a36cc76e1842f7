"""Checksums around the life of an open shard: checked at load, dropped before it changes, written at close."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edgeshard.errors import CorruptedError
from edgeshard.models.options import options
from edgeshard.shard import config as configs
from edgeshard.storage import checksums, files
from edgeshard.storage.checkpoint import Checkpointer
from edgeshard.storage.running_sums import RunningSums


class _Sealed(msgspec.Struct):
    """What of ``edge_config.json`` matters here; to read more would take four times as long, at each close."""

    seal: str = msgspec.field(name=configs.SEAL)


_SEALED = msgspec.json.Decoder(_Sealed)


def new_seal() -> str:
    """A seal that no shard has."""
    return files.random_suffix(8)


def seal_of(path: Path) -> str | None:
    """The seal in ``edge_config.json``, None if another engine wrote the file or it cannot be read."""
    try:
        return _SEALED.decode(_content(f"{path}/{configs.FILE}")).seal
    except (OSError, ValueError, RecursionError):
        return None


def _content(path: str) -> bytes:
    """Like ``open(path).read()``, in half of the time: part of each close."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def inspect(path: Path, level: checksums.Level | None) -> dict[str, checksums.Entry]:
    """Compare a shard that is about to be opened with its checksums; derived files that are damaged are set aside, so
    that they are rebuilt.

    Args:
        path: the shard.
        level: how much to read, None for nothing.

    Returns:
        The table, empty if there is none.

    Raises:
        CorruptedError: a file that cannot be rebuilt is damaged.
    """
    table = checksums.read(path, seal_of(path))
    aside = [] if level is None else damaged(path, table, level)
    if not aside:
        return table
    checksums.remove(path)
    for name in aside:
        if (path / name).exists():
            set_aside(path, name)
    return {}


def damaged(path: Path, table: dict[str, checksums.Entry], level: checksums.Level) -> list[str]:
    """Directories of derived files in a shard that are not as its table says, of which it warns.

    Raises:
        CorruptedError: a file that cannot be rebuilt is damaged.
    """
    aside = set()
    for name, reason in checksums.differences(path, table, level):
        if not checksums.is_derived(name) or name.endswith("payload_index/config.json"):
            raise CorruptedError(path / name, reason)
        warnings.warn(f"{path / name}: {reason}; it is rebuilt", RuntimeWarning, stacklevel=5)
        parts = name.split("/")
        aside.add("/".join(parts[: 4 if parts[2] == "payload_index" else 3]))
    return sorted(aside)


def set_aside(path: Path, name: str) -> Path:
    """Move a file or directory of a shard to where nothing looks for it; its new place."""
    target = path / files.DAMAGED / f"{name.replace('/', '-')}-{files.random_suffix()}"
    files.disk.mkdir(target.parent)
    files.disk.rename(path / name, target)
    files.disk.sync_directory((path / name).parent)
    return target


def running_sums() -> RunningSums:
    """Where the checksums of one shard are taken along, unless they are not wanted."""
    return RunningSums(active=options.keep_checksums)


def write(
    path: Path,
    segments: Iterable[str],
    known: dict[str, checksums.Entry],
    checkpointer: Checkpointer,
    seal: str | None,
) -> None:
    """Write the checksums of a shard whose files are complete and synced, unless none are taken.

    Args:
        path: the shard.
        segments: names of its segments.
        known: an earlier table.
        checkpointer: carries nothing to the disk any more.
        seal: what the configuration holds, None if it has to be looked up; with another one the table does not count.
    """
    sums = checkpointer.sums
    if not sums.active:
        return
    seal = seal or seal_of(path)
    if seal is None:
        seal = new_seal()
        stored = files.parse_json((path / configs.FILE).read_bytes())
        files.replace_file(path / configs.FILE, msgspec.json.encode({**stored, configs.SEAL: seal}))
    table = checksums.table_of(path, covered(path, segments), known, sums)
    checksums.write(path, seal, table, checkpointer.journal)


def covered(path: Path, segments: Iterable[str]) -> list[str]:
    """The files that have checksums: the configuration and all of the named segments."""
    root = os.fspath(path)
    found = [configs.FILE]
    folders = [f"segments/{name}" for name in segments]
    while folders:
        folder = folders.pop()
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                name = entry.name
                if name[0] == "." or name in checksums.IGNORED:
                    continue
                if entry.is_file():
                    found.append(f"{folder}/{name}")
                elif entry.is_dir(follow_symlinks=False):  # links to folders may lead in a circle
                    folders.append(f"{folder}/{name}")
    return found
