"""The directories of a shard on disk: which segments there are, and what a crash or a failed creation left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeshard.errors import CorruptedError, StorageError, ValidationError, quoted
from edgeshard.index import kept_codes
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs
from edgeshard.storage import files

SEGMENTS = "segments"
TEMPORARY = "temp_segments"
ODD = "it is neither a file nor a directory"
GRAVE_SUFFIX = ".deleted"
_INSIDE = f"{SEGMENTS}/{80 * 'x'}"
"""Longer than what is looked for in every directory, so that a path too long for that is refused at once."""


def directory_path(path: files.PathLike) -> Path:
    """A path that a caller gave, absolute: a later change of the working directory must not move an open shard.

    Raises:
        TypeError: it is not text.
        ValidationError: it is empty.
        StorageError: the file system cannot have such a path.
    """
    text = os.fspath(path) if hasattr(path, "__fspath__") else path
    if not isinstance(text, str):
        raise TypeError(f"path must be str or os.PathLike[str], not {type(path).__name__}")
    if not text or "\0" in text:
        raise ValidationError("the path of a shard must not be empty" if not text else "a path cannot have a NUL in it")
    _look_at(text, text)
    try:
        whole = os.path.join(os.getcwd(), text)  # behind a link `..` is not what its text says
    except OSError as error:
        raise StorageError(error.errno, f"cannot use {quoted(text)}: there is no working directory") from error
    _look_at(os.path.join(whole, _INSIDE), text)
    return Path(whole)


def _look_at(place: str, path: str) -> None:
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # whoever opens it says so
    except OSError as error:
        raise StorageError(error.errno, f"cannot use {quoted(path)}: {error.strerror}") from error


def absent(path: Path) -> str:
    """What to say of a path that should be the directory of a shard and is no directory."""
    return f"{path} is a file, not the directory of a shard" if path.exists() else f"directory {path} does not exist"


def holds_shard(path: Path) -> bool:
    """Whether there is anything to open in a directory."""
    return (path / configs.FILE).exists() or bool(segment_names(path))


def segment_names(path: Path) -> list[str]:
    """Names of the segment directories of a shard, sorted; unfinished and hidden ones are left out.

    A directory without ``version.info`` was being created when the process died; one with data in it is refused
    rather than passed over.

    Raises:
        CorruptedError: a segment with data lacks its ``version.info``.
    """
    segments = path / SEGMENTS
    if not segments.is_dir():
        return []
    names = []
    for entry in sorted(os.scandir(segments), key=lambda entry: entry.name):
        if not entry.is_dir() or entry.name.startswith(".") or entry.name.endswith(GRAVE_SUFFIX):
            continue
        if not os.path.exists(os.path.join(entry.path, "version.info")):
            if _holds_points(Path(entry.path)):
                raise CorruptedError(
                    Path(entry.path, "version.info"),
                    "the file is missing, but the segment holds points: run `python -m edgeshard repair`",
                )
            continue
        names.append(entry.name)
    return names


def odd_entries(path: Path) -> Iterator[str]:
    """What is neither a file nor a directory where a shard keeps its own, relative to it.

    To open a pipe may take for ever, and a device may have side effects; a link that leads nowhere is damage.
    """
    for entry in _scan(path):
        ours = entry.name.startswith(("edge", ".edgeshard")) or entry.name in ("wal", SEGMENTS)
        if ours and not _is_plain(entry):
            yield entry.name
    pending = ["wal", SEGMENTS, kept_codes.NAME]
    while pending:
        folder = pending.pop()
        for entry in _scan(path / folder):
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{folder}/{entry.name}")
            elif not _is_plain(entry):
                yield f"{folder}/{entry.name}"


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):  # there is none, or its writer has just removed it
        return []


def _is_plain(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or entry.is_dir()
    except OSError:  # a circle of links
        return False


def require_plain_files(path: Path) -> None:
    """Refuse a shard with :func:`odd_entries`.

    Raises:
        CorruptedError: it has one.
        StorageError: the system refuses to look.
    """
    try:
        odd = next(odd_entries(path), None)
    except OSError as error:
        raise StorageError(error.errno, f"cannot load {path}: {error.strerror} ({error.filename})") from error
    if odd is not None:
        raise CorruptedError(path / odd, ODD)


def clean_up(path: Path) -> None:
    """Remove what a crash left of unfinished work: drafts of files, segments being built and segments replaced."""
    draft = files.TEMPORARY_PREFIX
    doomed = [entry for entry in _entries(path) if entry.name.startswith(draft)]
    for segment in _entries(path / SEGMENTS):
        if segment.name.startswith(draft) or segment.name.endswith(GRAVE_SUFFIX):
            doomed.append(segment)
        elif segment.is_dir():
            doomed += [entry for entry in _entries(segment) if entry.name.startswith(draft)]
    doomed += _entries(path / TEMPORARY)
    for entry in doomed:
        if entry.is_dir():
            files.disk.remove_tree(entry)
        else:
            files.disk.unlink(entry)


def _entries(path: Path) -> list[Path]:
    return [path / name for name in os.listdir(path)] if path.is_dir() else []


def _holds_points(segment: Path) -> bool:
    trackers = ("mutable_id_tracker.versions", "id_tracker.versions", "id_tracker.compact_versions")
    return any((segment / name).exists() and (segment / name).stat().st_size for name in trackers)


def resolve_duplicates(segments: Sequence[Segment]) -> None:
    """Keep the newest copy of an id that lives in several segments (after a crash around an optimisation)."""
    for place, segment in enumerate(segments):
        for other in segments[place + 1 :]:
            small, large = (segment, other) if segment.live <= other.live else (other, segment)
            offsets = small.ids.sorted_offsets()
            found = large.ids.offsets_of(small.ids.ids_of(offsets))
            both = np.flatnonzero(found >= 0)
            if not len(both):
                continue
            mine, theirs = offsets[both], found[both].astype(np.uint32)
            newer = small.ids.versions[mine] > large.ids.versions[theirs]
            for holder, stale in ((large, theirs[newer]), (small, mine[~newer])):
                for offset in stale.tolist():
                    version = int(holder.ids.versions[offset])
                    holder.delete(version, np.array([offset], np.uint32))


def bury_segment(path: Path) -> Path:
    """Rename a segment directory durably to what no load takes for a segment; the new name, to be removed."""
    grave = path.with_name(f"{path.name}{files.random_suffix()}.deleted")
    files.disk.rename(path, grave)
    files.disk.sync_directory(path.parent)
    return grave
