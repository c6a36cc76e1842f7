"""Bringing a damaged shard back: derived files are rebuilt, what cannot be saved is set aside, nothing is deleted.

The steps, in order; each does nothing where nothing is wrong:

1. Lock the shard; set aside what is neither a file nor a directory.
2. Finish a flush or a snapshot that was interrupted; a journal that cannot be used is set aside. Of an unpacked
   snapshot that may have been cut by a power loss, keep what is there.
3. Set derived files aside whose checksums are wrong: indexes, graphs and quantized codes. (Free space is recomputed
   anyway.) Remove codes kept for searches whose checksums are wrong. Write counts and settings of storages anew whose
   checksums tell what they were. Other files, those of vectors, payloads and ids, stay as they are: a line says so, and
   from then on nothing else does.
4. Set ``edge_config.json`` aside if it cannot be read: the segments say what the shard stores.
5. For each segment that does not open: write a missing ``version.info``; else set its codes aside; else its indexes
   and graphs; else the whole segment. Only the last loses points. Set aside graphs that do not open or are not of their
   vectors, and posting lists of sparse and text indexes that cannot be read.
6. Leave damaged records of the log out; set a log aside that cannot be read at all.
7. Open the shard, which rebuilds indexes, build missing graphs, close it, and check it.

What is set aside is in ``edgeshard.damaged`` under a name that says where it was.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from edgeshard.errors import CorruptedError, EdgeShardError, StorageError
from edgeshard.index import kept_codes
from edgeshard.segment.config import VERSION_FILE, read_segment_config, write_version
from edgeshard.segment.files import open_segment
from edgeshard.shard import config as configs
from edgeshard.shard import seal
from edgeshard.shard.directories import GRAVE_SUFFIX, ODD, SEGMENTS, absent, odd_entries
from edgeshard.shard.shard import EdgeShard
from edgeshard.shard.small_files import written_anew
from edgeshard.shard.snapshot import settle, swap
from edgeshard.shard.store import WAL, Store
from edgeshard.shard.told import Told, passing_on, telling
from edgeshard.shard.verify import OnProgress, check
from edgeshard.shard.verify_graphs import damaged_graphs
from edgeshard.shard.verify_lists import damaged_lists
from edgeshard.storage import checksums, files, journal
from edgeshard.storage.lock import HOLDER_FILE, ShardLock
from edgeshard.storage.wal import Wal

DERIVED = ("payload_index", "vector_index")
STEPS = 7
"""Of a repair, as listed above."""
WRONG = "still wrong: "
"""What a line begins with that tells of damage nothing can mend."""


def repair(path: Path, on_progress: OnProgress = None) -> list[str]:
    """Repair a shard that nobody has open.

    Args:
        path: the shard.
        on_progress: told how far the step ``"repair"`` is, by the seven steps above, and then those of :func:`check`.

    Returns:
        What was done, one line each; empty if nothing was wrong.

    Raises:
        LockedError: somebody has it open.
        StorageError: the disk refused, or nothing could be saved; everything is still there.
    """
    if not path.is_dir():
        raise StorageError(f"cannot repair: {absent(path)}")
    told = telling(on_progress) or (lambda step, share: None)
    done = passing_on(lambda: _repair(path, told))
    return done + [f"{WRONG}{line}" for line in check(path, on_progress=on_progress)]


def _repair(path: Path, told: Told) -> list[str]:
    done: list[str] = []
    if HOLDER_FILE in odd_entries(path):
        raise CorruptedError(path / HOLDER_FILE, f"{ODD}; remove it")
    lock = ShardLock(path)
    try:
        for name in list(odd_entries(path)):
            _aside(path, name, ODD, done)
        told("repair", 1 / STEPS)
        _finish(path, done)
        told("repair", 2 / STEPS)
        _mismatches(path, done)
        told("repair", 3 / STEPS)
        _configuration(path, done)
        segments = sorted(_directories(path / SEGMENTS))
        for number, segment in enumerate(segments):
            told("repair", (4 + number / len(segments)) / STEPS)
            _segment(path, segment, done)
        told("repair", 5 / STEPS)
        salvage = _log(path, done)
        if done:
            checksums.remove(path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot repair {path}: {error.strerror}") from error
    finally:
        lock.release()
    told("repair", 6 / STEPS)
    if salvage:
        _salvage(path, done)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with EdgeShard.load(path, verify=None) as shard:
            shard.flush()
            if any(f"/{DERIVED[1]}" in line for line in done):
                shard.optimize()
    told("repair", 1)
    return done + [str(warning.message) for warning in heard]


def _directories(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    names = (entry for entry in path.iterdir() if entry.is_dir())
    return [entry for entry in names if not entry.name.startswith(".") and not entry.name.endswith(GRAVE_SUFFIX)]


def _aside(path: Path, name: str, why: str, done: list[str]) -> None:
    target = seal.set_aside(path, name)
    done.append(f"{name} was set aside as {target.relative_to(path)}: {why}")


def _finish(path: Path, done: list[str]) -> None:
    try:
        settle.check(path)
    except CorruptedError as error:
        done.append(f"{error}. What the disk has of it was kept: POINTS MAY BE LOST")
        settle.accept(path)
    swap.recover(path)
    try:
        if journal.recover(path):
            done.append("finished an interrupted flush")
    except CorruptedError as error:
        _aside(path, journal.NAME, f"it cannot be used: {error.reason}", done)


def _mismatches(path: Path, done: list[str]) -> None:
    table = checksums.read(path, seal.seal_of(path))
    aside: dict[str, str] = {}
    for name, reason in checksums.differences(path, table, "full"):
        parts = name.split("/")
        if name.endswith(f"{DERIVED[0]}/config.json"):
            continue
        if len(parts) > 3 and parts[3].startswith("quantized"):  # codes are made anew as a whole
            folder = path.joinpath(*parts[:3])
            aside.update({entry.relative_to(path).as_posix(): reason for entry in folder.glob("quantized*")})
        elif checksums.is_derived(name):
            aside["/".join(parts[: 4 if parts[2] == DERIVED[0] else 3])] = f"{parts[-1]}: {reason}"
        elif written_anew(path, name, table):
            done.append(f"{name} was written anew: {reason}")
        else:
            done.append(f"{WRONG}{name} cannot be rebuilt: {reason}; IT STAYS AS IT IS and counts as sound from now on")
    for name, reason in aside.items():
        if (path / name).exists():
            _aside(path, name, reason, done)
    for file, reason in kept_codes.damaged(path):
        files.disk.unlink(file)
        done.append(f"{file.relative_to(path)} was removed: {reason}")


def _configuration(path: Path, done: list[str]) -> None:
    try:
        configs.read_config(path)
    except CorruptedError as error:
        _aside(path, configs.FILE, error.reason, done)


def _problem(segment: Path) -> EdgeShardError | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_segment(segment, read_only=True, complete=False).close()
    except EdgeShardError as error:
        return error
    return None


def _segment(path: Path, segment: Path, done: list[str]) -> None:
    name = f"{SEGMENTS}/{segment.name}"
    if not any(segment.iterdir()):
        return
    problem = _problem(segment)
    codes = sorted(path.relative_to(segment).as_posix() for path in segment.glob("vector_storage*/quantized*"))
    if problem is not None and codes:
        for code in codes:
            _aside(path, f"{name}/{code}", str(problem), done)
        problem = _problem(segment)
    if problem is not None:
        for entry in sorted(entry.name for entry in segment.iterdir() if entry.name.startswith(DERIVED)):
            if entry != DERIVED[0]:
                _aside(path, f"{name}/{entry}", str(problem), done)
                continue
            for index in _directories(segment / entry):
                _aside(path, f"{name}/{entry}/{index.name}", str(problem), done)
        problem = _problem(segment)
    if problem is not None:
        _aside(path, name, f"{problem}. ITS POINTS ARE LOST", done)
        return
    _unsound(path, segment, done)
    if not _has_version(segment):
        if (segment / VERSION_FILE).exists():
            _aside(path, f"{name}/{VERSION_FILE}", "it names no version", done)
        write_version(segment)
        done.append(f"{name}/{VERSION_FILE} was written")


def _unsound(path: Path, segment: Path, done: list[str]) -> None:
    """Set aside graphs and posting lists that open, but are not sound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = open_segment(segment, read_only=True, complete=False)
        try:
            wrong = {graph.directory: reason for graph, reason in damaged_graphs(opened) if not graph.holds_vectors}
            wrong.update(damaged_lists(opened))
        except CorruptedError:  # vectors that cannot be read: the check at the end says so
            wrong = {}
        finally:
            opened.close()
    for directory, reason in wrong.items():
        if directory.is_dir():
            _aside(path, directory.relative_to(path).as_posix(), reason, done)
        else:
            done.append(f"{reason}; it is built anew")


def _has_version(segment: Path) -> bool:
    try:
        read_segment_config(segment)
    except CorruptedError:
        return False
    return True


def _log(path: Path, done: list[str]) -> bool:
    """Set aside a log that cannot be read; whether there is one to be salvaged, of which records are left out."""
    if not (path / WAL).is_dir():
        return False
    try:
        wal: Any = Wal.open(path / WAL, on_damage="skip")
    except CorruptedError as error:
        _aside(path, WAL, f"{error}. UPDATES SINCE THE LAST FLUSH ARE LOST", done)
        return False
    lost = [damage for damage in wal.damage if damage.last_index > (-1 if wal.ack_index is None else wal.ack_index)]
    wal.close()
    done += [f"left out of the log: {damage.error()}" for damage in lost]
    return bool(lost)


def _salvage(path: Path, done: list[str]) -> None:
    """Apply what can be read of a damaged log."""
    store = Store.load(path, None, verify=None, on_damage="skip")
    store.flush(checkpoint=True)
    store.close()
    done.append("the readable records of the log were applied")
