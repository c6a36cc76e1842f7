"""Payload indexes: finding points by value.

In: raw payloads of points. Out: the files of ``payload_index/`` that Qdrant reads, described in
``docs/format/payload-index.md``; conditions, facets, orderings and BM25 answered from these files where a segment is
optimised (``open*.py``), and elsewhere what the indexes add to filtering by columns.
"""
