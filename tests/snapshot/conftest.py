"""Small shards made by Qdrant Edge, and mirrors of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from archives import pack_full
from mirrors import Server
from small_shards import content, copy_shard, small_config, upsert

from edgeshard import EdgeShard


@pytest.fixture(scope="session")
def server_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed shard of Qdrant Edge: an optimised segment, an appendable one, a payload index. Not to be changed."""
    path = tmp_path_factory.mktemp("server") / "shard"
    shard = qdrant_edge.EdgeShard.create(str(path), small_config(qdrant_edge))
    shard.update(qdrant_edge.UpdateOperation.create_field_index("k", qdrant_edge.PayloadSchemaType.Integer))
    shard.update(upsert(qdrant_edge, range(400), "old"))
    shard.optimize()
    shard.update(upsert(qdrant_edge, range(400, 420), "old"))
    shard.close()
    return path


@pytest.fixture(scope="session")
def server_content(server_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    copy = tmp_path_factory.mktemp("copy") / "shard"
    copy_shard(server_path, copy)
    shard = qdrant_edge.EdgeShard.load(str(copy))
    found = content(shard)
    shard.close()
    return found


@pytest.fixture
def server(server_path: Path, tmp_path: Path) -> Server:
    return Server(tmp_path / "server", server_path)


@pytest.fixture
def mirror(server_path: Path, tmp_path: Path) -> EdgeShard:
    archive = tmp_path / "full.snapshot"
    archive.write_bytes(pack_full(server_path))
    EdgeShard.unpack_snapshot(archive, tmp_path / "mirror")
    return EdgeShard.load(tmp_path / "mirror")
