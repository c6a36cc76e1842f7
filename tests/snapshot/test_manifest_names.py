"""Which vector a file of a segment belongs to, whatever vectors are called."""

from __future__ import annotations

import pytest

from edgeshard.shard.snapshot.manifest import vector_of


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("vector_storage/vectors/chunk_0.mmap", ""),
        ("vector_storage-a/vectors/chunk_0.mmap", "a"),
        ("vector_storage-a/b/vectors/chunk_0.mmap", "a/b"),
        ("vector_storage-a/c/vectors/chunk_0.mmap", "a"),
        ("vector_index-a-b/graph.bin", "a-b"),
        ("vector_index-b/graph.bin", None),
        ("vector_storage-a", None),
        ("payload_storage/page_0.dat", None),
    ],
)
def test_files_belong_to_the_vector_with_the_longest_name(name: str, vector: str | None) -> None:
    assert vector_of(name, {"", "a", "a/b", "a-b"}) == vector
