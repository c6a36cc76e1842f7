"""A process that applies an archive to a mirror and is killed meanwhile. Usage: killed_apply.py SHARD ARCHIVE."""

from __future__ import annotations

import sys

import edgeshard

shard = edgeshard.EdgeShard.load(sys.argv[1])
print("open", flush=True)
shard.update_from_snapshot(sys.argv[2])
print("applied", flush=True)
shard.close()
