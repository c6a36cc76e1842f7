"""Update operations as bytes of the write-ahead log.

In: operations of :mod:`edgeshard.models.operations`, or columns of stored vectors. Out: CBOR records that Qdrant
Edge replays, and the way back for every record it writes. Files on disk: none; storage/wal.py keeps the records.
Format: docs/format/wal.md, section "Operations".
"""

from __future__ import annotations

from edgeshard._native import encode_upsert_raw
from edgeshard.shard.operations.decode import decode
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.operations.raw import SyncPoints, SyncPointsRaw, UpsertRaw

__all__ = ["SyncPoints", "SyncPointsRaw", "UpsertRaw", "decode", "encode", "encode_upsert_raw"]
