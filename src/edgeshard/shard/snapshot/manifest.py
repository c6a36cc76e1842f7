"""Which version every file of a segment has: what a server compares to send only what changed.

A manifest is ``{uuid: {"segment_id": uuid, "segment_version": n, "file_versions": {path: n or None}}}``. A version is
the number of an operation; None means that the file counts as old as its segment. The rules, later ones win:

1. every file: None (of vector storages also the growing part of quantized vectors)
2. vector storages: the last change of that vector name; payload storage: the last change of a payload. Where this is
   not known (after a load) the segment's version; None if nothing was ever written
3. files that never change once they are written: the version the segment was built at
4. payload indexes of an immutable segment: the last change of the schema, else as in 3
"""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeshard.errors import SnapshotError, ValidationError
from edgeshard.segment.changes import LastChanges
from edgeshard.segment.config import SegmentConfig, read_segment_config
from edgeshard.storage import files

if TYPE_CHECKING:
    from edgeshard.segment.segment import Segment

SegmentManifest: TypeAlias = "dict[str, Any]"
Manifest: TypeAlias = "dict[str, SegmentManifest]"

PAYLOAD = "payload_storage"
PAYLOAD_INDEX = "payload_index"
ID_TRACKERS = ("id_tracker.", "mutable_id_tracker.")
IMMUTABLE_IDS = ("id_tracker.mappings", "id_tracker.e2i", "id_tracker.i2e", "id_tracker.is_uuid")
OWN_FILES = ("tracker_journal.dat", "segment_manifest.json")
"""Files which a server does not know: never in a manifest, never in an archive."""
OWN_PREFIX = "edgeshard."


def shard_manifest(segments: list[Segment]) -> Manifest:
    """The manifest of open segments, changes in memory included."""
    return {
        segment.name: segment_manifest(segment.path, segment.config, segment.version, segment.changes)
        for segment in segments
    }


def manifest_of_directory(segments: Path, names: list[str]) -> Manifest:
    """The manifest of segments on disk, as it is right after loading them."""
    result = {}
    for name in names:
        config = read_segment_config(segments / name)
        version = -1 if config.version is None else config.version
        result[name] = segment_manifest(segments / name, config, version, LastChanges())
    return result


def segment_manifest(path: Path, config: SegmentConfig, version: int, changes: LastChanges) -> SegmentManifest:
    """The manifest of one segment.

    Args:
        path: its directory.
        config: its configuration.
        version: the last operation applied to it, -1 for none.
        changes: which parts the operations since the load changed.
    """
    rules = _Rules(config, version, changes)
    versions = {name: rules.version_of(name) for name in segment_files(path, config)}
    return {"segment_id": path.name, "segment_version": max(version, 0), "file_versions": versions}


def segment_files(path: Path, config: SegmentConfig) -> list[str]:
    """The files of a segment that a snapshot carries, but for ``segment.json`` and ``version.info``; sorted."""
    found: list[str] = []
    vectors = {*config.vector_data, *config.sparse_vector_data}
    root = os.fspath(path)
    for directory, names, entries in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        inside = directory[len(root) + 1 :]
        if inside and not _is_carried(inside, vectors):
            continue
        prefix = f"{inside}/" if inside else ""
        for entry in entries:
            name = prefix + entry
            if _is_data(entry) and not is_own(name) and (inside or entry.startswith(ID_TRACKERS)):
                found.append(name)
    return sorted(found)


def _is_carried(directory: str, vectors: set[str]) -> bool:
    """Whether a snapshot carries the files of a directory of a segment."""
    return directory.partition("/")[0] in (PAYLOAD, PAYLOAD_INDEX) or vector_of(f"{directory}/", vectors) is not None


def _is_data(entry: str) -> bool:
    return not entry.startswith(".") and not entry.endswith(".tmp") and entry not in OWN_FILES


def is_own(name: str) -> bool:
    """Whether a file of a segment is this engine's alone: in no manifest, in no archive, taken from no archive.

    Such files are derived from others, of which an apply may bring new ones.
    """
    parts = name.split("/")
    if parts[0] == PAYLOAD_INDEX:  # the folders in it are called after fields, whatever those are called
        parts = parts[:1]
    return any(part.startswith(OWN_PREFIX) for part in parts)


def vector_of(name: str, vectors: Set[str]) -> str | None:
    """The vector whose directory a file of a segment lies in; None if it lies in none of a known vector."""
    for kind in ("vector_storage", "vector_index"):
        if name.startswith(kind):
            inside = name[len(kind) :]
            if inside.startswith("/"):
                return "" if "" in vectors else None
            end = inside.rfind("/")  # names may hold slashes: the longest that is known
            while end > 1 and not (inside[0] == "-" and inside[1:end] in vectors):
                end = inside.rfind("/", 0, end)
            return inside[1:end] if end > 1 else None
    return None


class _Rules:
    """The versions of the files of one segment."""

    __slots__ = ("_changes", "_initial", "_vectors", "_version", "appendable")

    def __init__(self, config: SegmentConfig, version: int, changes: LastChanges) -> None:
        self._changes = changes
        self._version = None if version < 0 else version
        self._initial = config.initial_version or 0
        self._vectors = {*config.vector_data, *config.sparse_vector_data}
        self.appendable = config.appendable

    def version_of(self, name: str) -> int | None:
        top, _, rest = name.partition("/")
        if not rest:
            return self._initial if is_immutable(name, appendable=self.appendable) else None
        if top == PAYLOAD:
            return self._initial if rest == "config.json" else self._known(self._changes.of_payload())
        if top == PAYLOAD_INDEX:
            return self._payload_index(rest)
        if is_immutable(name, appendable=self.appendable):
            return self._initial
        vector = vector_of(name, self._vectors)
        if vector is not None and top.startswith("vector_storage") and not _is_quantized(name):
            return self._known(self._changes.of_vector(vector))
        return None

    def _known(self, changed: int | None) -> int | None:
        return changed or self._version  # 0 says nothing: it is also what "never" looks like

    def _payload_index(self, rest: str) -> int | None:
        if not is_immutable(f"{PAYLOAD_INDEX}/{rest}", appendable=self.appendable):
            return None
        return self._initial if self._changes.schema is None else self._changes.schema


def is_immutable(name: str, *, appendable: bool) -> bool:
    """Whether a file of a segment never changes once the segment is built.

    Args:
        name: path in the segment.
        appendable: of which kind the segment is.
    """
    top = name.partition("/")[0]
    base = name.rpartition("/")[2]
    if top == PAYLOAD or top.startswith("vector_storage"):
        if base in ("config.json", "quantized.config.json", "quantized.meta.json"):
            return True
        return not appendable and (base == "matrix.dat" or _is_quantized(name))
    if appendable:
        return False
    if top == PAYLOAD_INDEX:
        return name != "payload_index/config.json" and base != "histogram_borders.bin"
    if top.startswith("vector_index"):
        return base != "indices_tracker.json"
    return name in IMMUTABLE_IDS


def _is_quantized(name: str) -> bool:
    return "/quantized" in name


# --- manifests of others -------------------------------------------------------------------------------


def check_manifest(manifest: object) -> Manifest:
    """A manifest somebody else made, checked.

    Raises:
        ValidationError: it is not one.
    """
    if not isinstance(manifest, dict):
        raise ValidationError(f"Validation failed: a manifest is a dict by segment, not {type(manifest).__name__}")
    for segment, entry in manifest.items():
        reason = _fault(segment, entry)
        if reason is not None:
            raise ValidationError(f"Validation failed: failed to deserialize segment {segment} manifest: {reason}")
    return manifest


def parse_segment_manifest(segment: str, data: bytes) -> SegmentManifest:
    """The ``segment_manifest.json`` of an archive.

    Raises:
        SnapshotError: it is not one of this segment.
    """
    prefix = f"Validation failed: failed to deserialize segment {segment} manifest: "
    try:
        entry = files.parse_json(data)
    except ValueError as error:
        raise SnapshotError(f"{prefix}{error}") from error
    reason = _fault(segment, entry)
    if reason is not None:
        raise SnapshotError(f"{prefix}{reason}")
    return dict(entry)


def _fault(segment: object, entry: object) -> str | None:
    """What is wrong with the manifest of one segment."""
    if not isinstance(entry, dict):
        return f"expected an object, got {type(entry).__name__}"
    version, versions = entry.get("segment_version"), entry.get("file_versions")
    if entry.get("segment_id") != segment:
        return f"segment_id is {entry.get('segment_id')!r}, the segment is {segment!r}"
    if not _is_version(version):
        return f"segment_version is {version!r}, not an operation number"
    if not isinstance(versions, dict):
        return f"file_versions is {versions!r}, not an object"
    for name, own in versions.items():
        if not isinstance(name, str) or (own is not None and not _is_version(own)):
            return f"the version of file {name!r} is {own!r}, not an operation number"
        if own is not None and own > version:
            return f"file {name!r} has version {own}, above that of the segment, {version}"
    return None


def _is_version(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def effective(manifest: SegmentManifest, name: str) -> int:
    """The version of a file that is in the manifest, as comparisons take it."""
    version = manifest["file_versions"][name]
    return int(manifest["segment_version"] if version is None else version)


def changed_files(base: SegmentManifest | None, now: SegmentManifest, *, appendable: bool) -> list[str]:
    """Files of a segment that somebody who has ``base`` needs.

    Zero cannot be told from "nothing applied yet", so files that are at zero on both sides are included, as a server
    does; but not those an optimised segment was built with, which are the large ones: no two segments have one name, so
    that who has them has the same.

    Args:
        base: of the receiver, None if it does not have the segment.
        now: of the shard.
        appendable: of which kind the segment is.
    """
    if base is None:
        return list(now["file_versions"])
    wanted = []
    for name in now["file_versions"]:
        have = effective(base, name) if name in base["file_versions"] else -1
        want = effective(now, name)
        built = not appendable and not name.startswith(PAYLOAD_INDEX) and is_immutable(name, appendable=False)
        if have < want or (have == 0 and want == 0 and not built):
            wanted.append(name)
    return wanted
