"""What the shard will hold after an archive is applied: the archive's files and, in a partial one, kept files.

A partial archive names all files of every segment in the manifests it carries and holds those that differ from the
manifest it was made for. The others are taken from the shard, provided that they are at least as new.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from edgeshard.errors import BaseMismatchError, SnapshotError, StorageError
from edgeshard.shard.snapshot.layout import MARKERS, SEGMENTS, Archive, parents_of
from edgeshard.shard.snapshot.limits import refusal
from edgeshard.shard.snapshot.manifest import (
    OWN_FILES,
    Manifest,
    SegmentManifest,
    effective,
    parse_segment_manifest,
)
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files


def manifests_of(archive: Archive) -> Manifest:
    """The manifests of a partial archive, checked; empty for a full one.

    Raises:
        SnapshotError: one is missing, or is not one.
    """
    result = {segment: parse_segment_manifest(segment, data) for segment, data in archive.manifests.items()}
    if result:
        for segment in archive.segments:
            if segment not in result:
                raise refusal(
                    f"{SEGMENTS}/{segment}/segment_manifest.json",
                    "missing: other segments have one, so the archive is partial and nothing says what this one keeps",
                )
    return result


def kept_files(archive: Archive, incoming: Manifest, local: Manifest, changed: Collection[str]) -> dict[str, list[str]]:
    """Files of each segment that the archive leaves out and the shard has.

    Args:
        archive: a partial archive.
        incoming: its manifests.
        local: the manifest of the shard as it is.
        changed: segments with local writes, of which nothing can be kept.

    Raises:
        BaseMismatchError: a file is in neither, or the shard's is not the one the archive builds on.
        SnapshotError: the archive holds a file that its manifests do not list.
    """
    return {
        segment: _kept_of(archive, segment, manifest, local.get(segment), segment in changed)
        for segment, manifest in incoming.items()
    }


def _kept_of(
    archive: Archive, segment: str, incoming: SegmentManifest, local: SegmentManifest | None, changed: bool
) -> list[str]:
    held = archive.files_of(segment)
    for name in held:
        if name not in incoming["file_versions"] and name not in MARKERS and not name.endswith(OWN_FILES):
            raise refusal(f"{SEGMENTS}/{segment}/{name}", "the segment's manifest does not list the file")
    kept = [name for name in incoming["file_versions"] if name not in held]
    if not kept:
        return kept
    first = kept[0]
    if local is None:
        raise _mismatch(segment, first, "in the manifest but not in the archive, and the shard has no such segment")
    if changed:
        raise _mismatch(
            segment,
            first,
            "the archive leaves it out, but local writes have changed the segment: ask for a full archive, "
            'with snapshot_manifest(base="synced") as the manifest',
        )
    if local["segment_version"] > incoming["segment_version"]:
        raise _mismatch(
            segment,
            first,
            f"the archive is older than the shard (segment version {incoming['segment_version']}, here "
            f"{local['segment_version']}) and leaves files out",
        )
    for name in kept:
        if name not in local["file_versions"]:
            raise _mismatch(segment, name, "in the manifest, but neither in the archive nor in the shard")
        if effective(local, name) < effective(incoming, name):
            raise _mismatch(
                segment,
                name,
                f"the archive leaves it out at version {effective(incoming, name)}, the shard has "
                f"{effective(local, name)}: the archive was made for another state",
            )
    return kept


def _mismatch(segment: str, name: str, rule: str) -> SnapshotError:
    return refusal(f"{SEGMENTS}/{segment}/{name}", rule, BaseMismatchError)


def link_kept(kept: dict[str, list[str]], source: Path, target: Path) -> set[Path]:
    """Give the new state the kept files, as links to the old ones where the file system has them.

    A link is enough even for files that are later written in place: nobody writes to the old state any more once the
    new one is committed, nor to the new one before.

    Args:
        kept: files of each segment.
        source: the ``segments`` directory of the shard.
        target: that of the new state.

    Returns:
        The directories that got new names.
    """
    directories: set[Path] = set()
    try:
        for segment, names in kept.items():
            for name in names:
                pause()
                path = target / segment / name
                for parent in reversed(list(parents_of(f"{segment}/{name}"))):
                    files.disk.mkdir(target / parent)
                    directories.add(target / parent)
                _link_or_copy(source / segment / name, path)
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise SnapshotError(f"{error.filename} disappeared from the shard") from error
    except OSError as error:
        raise StorageError(error.errno, f"cannot keep {error.filename}: {error.strerror}") from error
    return directories


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
            raise
        shutil.copyfile(source, target)
        fd = files.disk.open(target, os.O_RDONLY)
        try:
            files.disk.sync(fd)
        finally:
            os.close(fd)
