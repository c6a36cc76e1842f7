"""One part of a shard's points: ids, vectors, payloads, and the indexes over them.

In: columns of stored vectors and payloads (:mod:`edgeshard.segment.batch`), and offsets or masks of what is wanted.
Out: offsets, similarities, stored values; changes as parts of a flush plan. Files: ``segment.json``, ``version.info``,
and through :mod:`edgeshard.storage` and :mod:`edgeshard.index` all others of a segment's directory.
"""
