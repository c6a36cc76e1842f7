"""A shard in the role of a server, and partial archives of it for a mirror."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import qdrant_edge
from archives import pack_partial
from small_shards import content, copy_shard, upsert


class Server:
    """A shard of Qdrant Edge in the role of a server."""

    def __init__(self, path: Path, source: Path) -> None:
        self.path = path
        copy_shard(source, path)

    def change(self, *operations: Any) -> dict[str, Any]:
        """Apply operations; the manifest after them."""
        shard = qdrant_edge.EdgeShard.load(str(self.path))
        for operation in operations:
            shard.update(operation)
        shard.flush()
        self.content = content(shard)
        manifest: dict[str, Any] = shard.snapshot_manifest()
        shard.close()
        return manifest


def more(number: int) -> list[Any]:
    ops = qdrant_edge.UpdateOperation
    return [
        upsert(qdrant_edge, range(500 + number * 10, 510 + number * 10), "new"),
        upsert(qdrant_edge, range(number, number + 3), f"changed {number}"),
        ops.delete_points([100 + number, 405 + number]),
    ]


def partial(server: Server, number: int, base: dict[str, Any], tmp_path: Path, **options: Any) -> Path:
    """The server moves on; a partial archive against ``base``."""
    manifest = server.change(*more(number))
    archive = tmp_path / f"partial-{number}.snapshot"
    archive.write_bytes(pack_partial(server.path, manifest, base, **options))
    return archive


def leftovers(path: Path) -> list[str]:
    return [name for name in os.listdir(path) if name.startswith(".") and name != ".edgeshard-lock"]
