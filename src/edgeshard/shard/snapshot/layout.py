"""Which entry of an archive is which file of a shard, and the rules for names.

Segments come in four layouts, which may be mixed::

    streamable   segments/<uuid>/files/<file>
    flat         segments/<uuid>/<file>
    regular      segments/<uuid>.tar, in it snapshot/files/<file>
    ancient      segments/<uuid>.tar, in it <file>

Everything is checked before anything is written: names lead nowhere but into the shard, no two entries are one file,
every segment is complete as far as its marker files tell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from edgeshard.errors import SnapshotError, StorageError
from edgeshard.shard.snapshot.limits import Budget, SnapshotLimits, refusal
from edgeshard.shard.snapshot.manifest import is_own
from edgeshard.shard.snapshot.swap import RECORD as EXCHANGE
from edgeshard.shard.snapshot.tar_reader import Entry, TarReader
from edgeshard.shard.snapshot.view import View
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import generation

SEGMENTS = "segments"
WAL = "wal"
CLOCKS = ("newest_clocks.json", "oldest_clocks.json")
LAST_ENTRY = "shard_config.json"
SHARD_FILES = (
    *CLOCKS, "replica_state.json", LAST_ENTRY, "segments_manifest.json", "edge_config.json", "payload_index.json",
    "applied_seq.json",
)  # fmt: skip
"""Files beside the segments that are known. Others are left in the archive, the engine's own among them, which lie in a
directory that was packed by hand: what they say about its files an unpacked shard finds out for itself."""
SEGMENT_MANIFEST = "segment_manifest.json"
MARKERS = ("segment.json", "version.info")
ROCKSDB = ("db_backup", "payload_index_db_backup")
"""Leftovers of servers before 1.13 inside a segment."""

COMPONENT_BYTES = 255
MANIFEST_BYTES = 16 << 20
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAX_OPERATION = (1 << 63) - 1
"""Above it there is no room for those that come after."""
_WAL_NUMBER = re.compile(r"[0-9]+$")
_WAL_FILE = re.compile(r"(closed|open)-[0-9]{1,20}|first-index")


class Archive:
    """What an archive holds, as files of a shard directory.

    Attributes:
        files: path relative to the shard -> content.
        directories: directories that have an entry of their own.
        manifests: segment -> content of its ``segment_manifest.json``.
        segments: names of the segments, in the order of the archive.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.files: dict[str, View] = {}
        self.directories: set[str] = set()
        self.manifests: dict[str, bytes] = {}
        self.segments: dict[str, None] = {}

    @classmethod
    def read(cls, fd: int, limits: SnapshotLimits) -> Archive:
        """The content of an archive; no data is read but manifests.

        Args:
            fd: the open file, which must stay open while the content is used.
            limits: what it may ask for.

        Raises:
            SnapshotError: the archive is refused; the message names the entry and the rule.
        """
        budget = Budget(limits)
        archive = cls(budget)
        reader = TarReader(View.of_file(fd), budget)
        for entry in reader.entries():
            pause()
            archive._add(entry)
        if limits.require_end and not reader.ended and LAST_ENTRY not in archive.files:
            raise SnapshotError(
                f"failed to unpack: the archive is cut off: it ends after {reader.last!r} without an end mark "
                f"and without {LAST_ENTRY}. Fetch it again"
            )
        archive._check()
        return archive

    def keep_only(self, names: Collection[str]) -> None:
        """Forget everything that is not below one of these entries of the root."""
        self.files = {path: view for path, view in self.files.items() if path.partition("/")[0] in names}
        self.directories = {path for path in self.directories if path.partition("/")[0] in names}

    @property
    def stored_bytes(self) -> int:
        """Bytes that extraction writes."""
        return sum(view.stored_bytes for view in self.files.values())

    def check_space(self, directory: Path) -> None:
        """Refuse an archive that does not fit into a file system."""
        self._budget.check_space(directory, self.stored_bytes)

    def files_of(self, segment: str) -> dict[str, View]:
        """The files of a segment by their path in it."""
        prefix = f"{SEGMENTS}/{segment}/"
        return {path[len(prefix) :]: view for path, view in self.files.items() if path.startswith(prefix)}

    # --- one entry ---------------------------------------------------------------------------------------

    def _add(self, entry: Entry) -> None:
        parts = split_name(entry.name, self._budget.limits.depth)
        if not parts:
            if entry.view is not None:
                raise refusal(entry.name, "a file without a name")
            return
        if parts[0] == SEGMENTS:
            self._add_below_segments(entry, parts[1:])
        elif parts[0] == WAL:
            self._add_below_wal(entry, parts[1:])
        elif parts[0] == EXCHANGE or (parts == [generation.NAME] and _is_changing(entry)):
            raise refusal(
                entry.name,
                "the directory was packed while its files were being replaced: load and close the shard before it is "
                "packed, or use create_snapshot",
            )
        elif parts[0] in SHARD_FILES:
            if len(parts) > 1 or entry.view is None:
                raise refusal(entry.name, f"{parts[0]} must be a file")
            self._put(entry.name, parts[0], entry.view)

    def _add_below_wal(self, entry: Entry, parts: list[str]) -> None:
        if not parts and entry.view is None:
            self.directories.add(WAL)
        elif parts == [".wal"]:  # the lock file of Windows
            return
        elif len(parts) != 1 or entry.view is None or not _WAL_FILE.fullmatch(parts[0]):
            raise refusal(entry.name, "not a file of a log (closed-<n>, open-<n>, first-index)")
        elif (found := _WAL_NUMBER.search(parts[0])) and int(found[0]) > MAX_OPERATION:
            raise refusal(entry.name, f"no operation has a number above {MAX_OPERATION}")
        else:
            self._put(entry.name, f"{WAL}/{parts[0]}", entry.view)

    def _add_below_segments(self, entry: Entry, parts: list[str]) -> None:
        if not parts:
            if entry.view is not None:
                raise refusal(entry.name, "segments must be a directory")
            self.directories.add(SEGMENTS)
            return
        if len(parts) == 1 and entry.view is not None:
            if not parts[0].endswith(".tar") or not is_segment_name(parts[0][:-4]):
                raise refusal(
                    entry.name,
                    "Invalid snapshot path, expected either a directory or a .tar file named by a UUID",
                )
            self._add_inner(entry.name, parts[0][:-4], entry.view)
            return
        if not is_segment_name(parts[0]):
            raise refusal(entry.name, f"Invalid snapshot path, the segment name {parts[0]!r} is not a UUID")
        rest = parts[1:]
        self._add_to_segment(entry, parts[0], rest[1:] if rest[:1] == ["files"] else rest)

    def _add_inner(self, name: str, segment: str, view: View) -> None:
        """The archive of one segment inside the archive."""
        if segment in self.segments:
            raise refusal(name, "the segment is in the archive twice")
        self.segments[segment] = None
        for entry in TarReader(view, self._budget).entries():
            parts = split_name(entry.name, self._budget.limits.depth)
            if parts[:1] == ["snapshot"]:
                parts = parts[1:]
            if parts[:1] == ["files"]:
                parts = parts[1:]
            entry.name = f"{name}: {entry.name}"
            self._add_to_segment(entry, segment, parts)

    def _add_to_segment(self, entry: Entry, segment: str, parts: list[str]) -> None:
        self.segments[segment] = None
        path = "/".join([SEGMENTS, segment, *parts])
        if parts[:1] in ([ROCKSDB[0]], [ROCKSDB[1]]) or (parts and is_own("/".join(parts))):
            return
        if entry.view is None:
            self.directories.add(path)
        elif not parts:
            raise refusal(entry.name, "a segment must be a directory")
        elif parts[0].startswith("."):
            raise refusal(entry.name, "a hidden file in a segment")
        elif parts == [SEGMENT_MANIFEST]:
            if segment in self.manifests:
                raise refusal(entry.name, "the segment has two manifests")
            if entry.view.size > MANIFEST_BYTES:
                raise refusal(entry.name, f"a manifest of {entry.view.size} bytes, more than {MANIFEST_BYTES}")
            self.manifests[segment] = entry.view.read(0, entry.view.size)
        else:
            self._put(entry.name, path, entry.view)

    def _put(self, name: str, path: str, view: View) -> None:
        if path in self.files:
            raise refusal(name, "the archive holds this file twice")
        self.files[path] = view

    # --- the whole ---------------------------------------------------------------------------------------

    def _check(self) -> None:
        if SEGMENTS not in self.directories and not self.segments:
            raise SnapshotError(
                f"failed to read directory {SEGMENTS}: the archive has none, so it is no shard snapshot"
            )
        if not self.segments:
            raise SnapshotError("the archive holds no segment: it is not the snapshot of a shard")
        parents = {parent for path in self.files for parent in parents_of(path)} | self.directories
        for path in self.files:
            if path in parents:
                raise refusal(path, "one entry says that this is a file, another that it is a directory")
        for segment in self.segments:
            for marker in MARKERS:
                if f"{SEGMENTS}/{segment}/{marker}" not in self.files:
                    raise refusal(
                        f"{SEGMENTS}/{segment}/{marker}",
                        "missing, so the segment is not complete: the archive was cut off or is damaged",
                    )


def split_name(name: str, depth: int) -> list[str]:
    """The components of an entry's name, ``.`` and repeated slashes left out.

    Raises:
        SnapshotError: the name leads out of the target, or is too deep or too long.
    """
    if not name:
        raise refusal(name, "an empty name")
    if "\0" in name:
        raise refusal(name, "a zero byte in the name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") and parts:  # "/" alone is how tar programs write the directory itself under no name
        raise refusal(name, "an absolute path")
    if ".." in parts:
        raise refusal(name, "the path leads upwards (..)")
    if len(parts) > depth:
        raise refusal(name, f"{len(parts)} levels deep, more than {depth}: raise SnapshotLimits.depth if this is real")
    if any(len(part.encode()) > COMPONENT_BYTES for part in parts):
        raise refusal(name, f"a component of more than {COMPONENT_BYTES} bytes")
    return parts


def _is_changing(entry: Entry) -> bool:
    """Whether the counter of a shard that was packed by hand says that a flush was under way."""
    return entry.view is not None and generation.is_changing(entry.view.read(0, min(entry.view.size, 8)))


def is_segment_name(name: str) -> bool:
    """Whether a name is that of a segment: a UUID in lower case with hyphens."""
    return _UUID.fullmatch(name) is not None


def parents_of(path: str) -> Iterator[str]:
    """The directories a relative path lies in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def open_archive(path: str | os.PathLike[str]) -> int:
    """A file descriptor of an archive.

    Raises:
        StorageError: it cannot be opened.
        SnapshotError: it is no regular file.
    """
    import stat

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise StorageError(error.errno, f"cannot open snapshot {os.fspath(path)}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SnapshotError(f"{os.fspath(path)} is not a file")
    return fd
