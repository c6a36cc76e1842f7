"""Bytes on disk: vectors, payloads, ids, flags, the log and the journal, and how a flush reaches the disk whole.

In: rows, raw payloads and records at offsets or numbers. Out: the same, and parts of a flush plan. Files: the storages
of a segment (``vector_storage*``, ``payload_storage``, id trackers), ``wal``, and ``edgeshard.*`` in the shard's root.
Every change of a file goes through :data:`edgeshard.storage.files.disk`.
"""
