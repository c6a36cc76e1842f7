"""What the last apply left behind: ``sync_state.json`` in a mirror's root, ignored by other engines.

::

    {"format": 1, "manifest": {segment: manifest as the archive had it},
     "segments": {segment: version right after the apply}}

A mirror may only be changed by applying snapshots. Every local operation raises the version of a segment and every
optimisation makes a new one, so comparing versions is enough to notice either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgeshard.errors import CorruptedError
from edgeshard.segment.segment import Segment
from edgeshard.shard.snapshot.layout import Archive
from edgeshard.shard.snapshot.manifest import Manifest, effective, manifest_of_directory, shard_manifest
from edgeshard.shard.snapshot.merge import manifests_of
from edgeshard.storage import files

FILE = "sync_state.json"
LIMIT_BYTES = 256 << 20


class SyncState:
    """The state of a mirror right after an apply.

    Args:
        manifest: what the archive said, which is what to tell the server next time.
        versions: version of each segment.
    """

    __slots__ = ("manifest", "versions")

    def __init__(self, manifest: Manifest, versions: dict[str, int]) -> None:
        self.manifest = manifest
        self.versions = versions

    @classmethod
    def of(cls, manifest: Manifest) -> SyncState:
        """The state right after applying an archive with this manifest."""
        return cls(manifest, {name: entry["segment_version"] for name, entry in manifest.items()})

    def diverged(self, segments: list[Segment]) -> list[str]:
        """Segments that were changed locally, made or lost since the apply; sorted."""
        now = {segment.name: max(segment.version, 0) for segment in segments}
        untouched = {segment.name for segment in segments if segment.version < 0 and not segment.count}
        changed = {name for name, version in now.items() if self.versions.get(name) != version} - untouched
        return sorted(changed | (self.versions.keys() - now.keys()))

    def known_versions(self, segments: list[Segment]) -> Manifest:
        """The manifest of open segments; in those without local writes files are as new as the archive said.

        A shard that was loaded again has forgotten when its schema last changed, and so takes payload indexes for as
        old as their segment; the sender of the next archive goes by what the last one said.
        """
        changed = set(self.diverged(segments))
        result = shard_manifest(segments)
        for name in (result.keys() & self.manifest.keys()) - changed:
            ours, theirs = result[name], self.manifest[name]
            for file in ours["file_versions"].keys() & theirs["file_versions"].keys():
                ours["file_versions"][file] = max(effective(ours, file), effective(theirs, file))
        return result

    def to_json(self) -> bytes:
        """As the file has it."""
        return msgspec.json.encode({"format": 1, "manifest": self.manifest, "segments": self.versions})


def read_state(root: Path) -> SyncState | None:
    """The state a mirror was left in; None for a shard that no snapshot was ever applied to.

    Raises:
        CorruptedError: the file cannot be read.
    """
    path = root / FILE
    if not path.exists():
        return None
    try:
        stored: dict[str, Any] = files.parse_json(files.read_file(path, LIMIT_BYTES))
        return SyncState(dict(stored["manifest"]), {name: int(n) for name, n in stored["segments"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedError(path, f"not the state of a mirror ({error}); delete it to start anew") from error


def state_of(archive: Archive, segments: Path) -> SyncState:
    """The state of a shard that was just made from an archive.

    Args:
        archive: what it was made from.
        segments: its segments on disk, for archives that carry no manifests.
    """
    return SyncState.of(manifests_of(archive) or manifest_of_directory(segments, sorted(archive.segments)))


def synced_manifest(root: Path, segments: list[Segment]) -> Manifest:
    """What to tell the server: the manifest of the last apply, or nothing at all if that is not what is there.

    A shard without a noted state is taken for an unchanged mirror.
    """
    state = read_state(root)
    if state is None:
        return shard_manifest(segments)
    return {} if state.diverged(segments) else state.manifest
