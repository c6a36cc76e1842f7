"""Payload indexes: finding points by value.

In: raw payloads of points. Out: the files of ``payload_index/`` that Qdrant reads, described in
``docs/format/payload-index.md``, and what those indexes add to filtering by columns: UUID and text conditions, and
the statistics of BM25.
"""
