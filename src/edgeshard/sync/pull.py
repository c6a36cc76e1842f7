"""Restoring or refreshing a mirror of a server's shard.

A mirror may only be changed by pulling: local writes are noticed and make :func:`pull` fail unless they are given up
with ``force=True``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from edgeshard import BaseMismatchError, DivergedError, EdgeShard, SnapshotLimits
from edgeshard.sync.check import check_collection
from edgeshard.sync.client import Progress, RetryPolicy, ServerShard
from edgeshard.sync.downloads import download_directory, parents_of

DOWNLOADS = ".edgeshard-sync-download-"
"""Directories of this name in a shard are removed when it is loaded."""


class PullResult:
    """What a pull did.

    Attributes:
        outcome: ``"restored"`` (there was no shard), ``"updated"`` or ``"up_to_date"``.
        received_bytes: size of the archive, or of both if a first one did not fit.
        attempts: requests that were made, repeated ones included.
    """

    __slots__ = ("attempts", "outcome", "received_bytes")

    def __init__(
        self, outcome: Literal["restored", "updated", "up_to_date"], received_bytes: int, attempts: int
    ) -> None:
        self.outcome: Literal["restored", "updated", "up_to_date"] = outcome
        self.received_bytes: int = received_bytes
        self.attempts: int = attempts

    def __repr__(self) -> str:
        return f"<PullResult {self.outcome}, {self.received_bytes} bytes, {self.attempts} requests>"


def pull(
    shard: EdgeShard | str | os.PathLike[str],
    url: str,
    collection: str,
    shard_id: int = 0,
    api_key: str | None = None,
    *,
    force: bool = False,
    full: bool = False,
    via: Literal["stream", "stored"] = "stream",
    timeout: float = 30.0,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
    limits: SnapshotLimits | None = None,
    http: Mapping[str, Any] | None = None,
) -> PullResult:
    """Make a shard equal to a shard of a server: restore it from a full snapshot, or fetch what changed.

    Args:
        shard: an open mirror, or the path of one; a path without a shard is restored to.
        url: of the server, such as ``https://host:6333``.
        collection: name of the collection.
        shard_id: number of the shard on the server, 0 in collections with one.
        api_key: a key with write access to the collection (the server demands it for snapshots).
        force: give up local writes made since the last pull.
        full: fetch everything, whatever the mirror has. To be set once after the server's shard was put back to an
            earlier state: it may have given the same versions to other data since, and versions are all it compares.
        via: how a restore gets its snapshot. ``"stream"``: made while it is sent, starts over when it breaks off.
            ``"stored"``: made on the server's disk first; has a checksum and goes on where it broke off.
        timeout: seconds without an answer or a byte after which a request counts as failed.
        retry: how failed requests are tried again.
        progress: called with bytes received and, if known, to be received.
        limits: what an archive may ask for before it is refused.
        http: options of :class:`httpx.Client`: ``verify``, ``cert``, ``proxy``, ``headers``, ..

    Raises:
        SyncError: the server cannot be used; ``retryable`` says whether trying again later helps.
        DivergedError: there are local writes, and ``force`` is not set.
        SnapshotError: what the server sent is refused.
        StorageError: the disk refused. The mirror is as it was, whichever it is.
    """
    server = ServerShard(
        url,
        collection,
        shard_id,
        api_key=api_key,
        timeout=timeout,
        retry=retry or RetryPolicy(),
        options=http or {},
    )
    with server:
        if isinstance(shard, EdgeShard):
            return _refresh(server, shard, force, full, progress, limits)
        path = Path(shard)
        if _holds_shard(path):
            with EdgeShard.load(path) as opened:
                return _refresh(server, opened, force, full, progress, limits)
        return _restore(server, path.absolute(), via, progress, limits)


def _refresh(
    server: ServerShard,
    shard: EdgeShard,
    force: bool,
    full: bool,
    progress: Progress | None,
    limits: SnapshotLimits | None,
) -> PullResult:
    manifest = shard.snapshot_manifest("synced")
    if not manifest and not force:
        raise DivergedError(
            f"{shard.path} was changed since it was last pulled: pass force=True to give up what was written"
        )
    params = server.describe_collection()
    if params is not None:
        check_collection(shard.config, params)
    with download_directory(shard.path, DOWNLOADS) as directory:
        archive = directory / "partial.snapshot"
        if not server.download_partial({} if full else manifest, archive, progress):
            return PullResult("up_to_date", 0, server.attempts)
        size = archive.stat().st_size
        try:
            shard.update_from_snapshot(archive, force=force, limits=limits)
        except BaseMismatchError:  # the server went back to an earlier state, of which the mirror has newer files
            server.download_partial({}, archive, progress)
            size += archive.stat().st_size
            shard.update_from_snapshot(archive, force=force, limits=limits)
    return PullResult("updated", size, server.attempts)


def _restore(
    server: ServerShard, path: Path, via: str, progress: Progress | None, limits: SnapshotLimits | None
) -> PullResult:
    if via not in ("stream", "stored"):
        raise ValueError(f'via must be "stream" or "stored", not {via!r}')
    with parents_of(path) as parent, download_directory(parent, f".{path.name}.pull-") as directory:
        archive = directory / "full.snapshot"
        checksum = None
        if via == "stream":
            server.download_stream(archive, progress)
        else:
            with server.stored_snapshot() as (name, checksum):
                server.download_stored(name, archive, progress)
        size = archive.stat().st_size
        EdgeShard.unpack_snapshot(archive, path, checksum=checksum, limits=limits, mirror=True, durable=True)
    return PullResult("restored", size, server.attempts)


def _holds_shard(path: Path) -> bool:
    return (path / "segments").is_dir() or (path / "edge_config.json").exists()
