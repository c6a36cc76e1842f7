"""Typed view of the native module, one section per register_* family of native/bind."""

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

# --- distance

def cpu_isa() -> str:
    """Return the instruction set in use: "scalar", "neon", "avx2" or "avx512" (EDGESHARD_CPU caps it)."""

def default_threads() -> int:
    """Return how many threads this process may use (its processors, capped by EDGESHARD_THREADS)."""

# --- scan

# Vectors are float32, float16 or uint8, C-contiguous; queries and chunks have one dtype and dimension.
# distance: 0 Cosine, 1 Euclid, 2 Dot, 3 Manhattan. threads: at most this many, 0 = as many as the work deserves.
# isa: None = the best one.

def scan_topk(
    queries: NDArray[Any],
    chunks: list[NDArray[Any]],
    mask: NDArray[np.bool_] | None,
    k: int,
    distance: int,
    threads: int = 0,
    isa: str | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.int64]]:
    """Return (offsets (q, k'), sims (q, k'), counts (q,)), k' = min(k, rows), best first, ties by offset."""

def scan_all(
    query: NDArray[Any], chunks: list[NDArray[Any]], distance: int, threads: int = 0, isa: str | None = None
) -> NDArray[np.float32]: ...
def score_offsets(
    query: NDArray[Any],
    chunks: list[NDArray[Any]],
    offsets: NDArray[np.uint32],
    distance: int,
    threads: int = 0,
    isa: str | None = None,
) -> NDArray[np.float32]: ...
def score_matrix(
    queries: NDArray[Any],
    chunks: list[NDArray[Any]],
    offsets: NDArray[np.uint32] | None,
    distance: int,
    threads: int = 0,
    isa: str | None = None,
) -> NDArray[np.float32]: ...
def maxsim_topk(
    query: NDArray[Any],
    chunks: list[NDArray[Any]],
    first: NDArray[np.uint32],
    count: NDArray[np.uint32],
    mask: NDArray[np.bool_] | None,
    k: int,
    distance: int,
    threads: int = 0,
    isa: str | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Return (offsets, sims) of the at most k best points; points without rows are left out."""

def maxsim_offsets(
    query: NDArray[Any],
    chunks: list[NDArray[Any]],
    first: NDArray[np.uint32],
    count: NDArray[np.uint32],
    offsets: NDArray[np.uint32],
    distance: int,
    threads: int = 0,
    isa: str | None = None,
) -> NDArray[np.float32]:
    """Return MaxSim per offset; NaN for a point without rows."""

def sparse_scores(
    q_indices: NDArray[np.uint32],
    q_values: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.uint32],
    values: NDArray[np.float32],
    threads: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return (similarity, number of common indices) of every row; indices ascend within a row."""

# --- text

def split_text(text: str, splitter: int = 0, lowercase: bool = True, folding: bool = False) -> list[str]: ...
def split_texts(
    texts: list[str], splitter: int = 0, lowercase: bool = True, folding: bool = False
) -> tuple[list[str], NDArray[np.uint32], NDArray[np.int64]]: ...
def split_bytes(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    splitter: int = 0,
    lowercase: bool = True,
    folding: bool = False,
) -> tuple[list[str], NDArray[np.uint32], NDArray[np.int64]]: ...
def token_ids(tokens: list[str]) -> NDArray[np.uint32]: ...

# --- gridstore

class GridCore:
    def __init__(
        self, directory: object, page_bytes: int, block_bytes: int, region_blocks: int, lz4: bool
    ) -> None: ...
    @property
    def pages(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def live(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def dirty_bytes(self) -> int: ...
    @property
    def dirty(self) -> bool: ...
    def set_tracker(self, tracker: NDArray[np.uint8]) -> None: ...
    def add_page(self, page: NDArray[np.uint8]) -> None: ...
    def load(self, bitmask: NDArray[np.uint8], gaps: NDArray[np.uint8]) -> None: ...
    def touch(self, slots: NDArray[np.uint32]) -> None: ...
    def close(self) -> None: ...
    def get(self, slot: int) -> bytes | None: ...
    def get_batch(self, slots: NDArray[np.uint32] | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
    def present(self, slots: NDArray[np.uint32] | None) -> NDArray[np.bool_]: ...
    def put(self, slot: int, value: bytes) -> int: ...
    @overload
    def put_batch(
        self, slots: NDArray[np.uint32], values: list[bytes | None], start: int
    ) -> tuple[int, int]: ...
    @overload
    def put_batch(
        self, slots: NDArray[np.uint32], data: NDArray[np.uint8], bounds: NDArray[np.int64], start: int
    ) -> tuple[int, int]: ...
    def remove(self, slots: NDArray[np.uint32]) -> None: ...
    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def tracker_changes(self) -> list[tuple[int, int]]: ...
    def collect(
        self,
    ) -> tuple[
        list[tuple[int, int, int]],
        list[tuple[int, int]],
        list[tuple[int, NDArray[np.uint8]]],
        list[tuple[int, NDArray[np.uint8]]],
    ]: ...
    def flushed(self) -> None: ...

def tracker_journal(data: NDArray[np.uint8]) -> NDArray[np.uint32]: ...
@overload
def pack_values(
    values: list[bytes | None], block_bytes: int, lz4: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]: ...
@overload
def pack_values(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], block_bytes: int, lz4: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]: ...
def lz4_compress(data: bytes) -> bytes: ...
def lz4_decompress(data: bytes, size: int) -> bytes: ...

# --- hnsw

class Int8Codes:
    """One byte per element of a vector storage, with one scale."""

    def __init__(self, chunks: list[NDArray[Any]], threads: int = 0) -> None: ...
    @property
    def count(self) -> int: ...
    @property
    def scale(self) -> float: ...
    @property
    def size_bytes(self) -> int: ...
    def extend(self, chunks: list[NDArray[Any]], threads: int = 0) -> None:
        """Encode the rows behind the first `count`."""

    def update(self, chunks: list[NDArray[Any]], offsets: NDArray[np.uint32]) -> None:
        """Encode the listed rows again."""

class HnswSpace:
    def __init__(
        self,
        chunks: list[NDArray[Any]],
        distance: int,
        first: NDArray[np.uint32] | None = None,
        count: NDArray[np.uint32] | None = None,
        codes: Int8Codes | None = None,
    ) -> None: ...
    @property
    def points(self) -> int: ...
    @property
    def has_codes(self) -> bool: ...

class HnswLinks:
    @property
    def points(self) -> int: ...
    @property
    def m(self) -> int: ...
    @property
    def m0(self) -> int: ...
    @property
    def kind(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def populations(self) -> list[int]: ...
    @property
    def entries(self) -> list[tuple[int, int]]: ...
    @property
    def extra_entries(self) -> list[tuple[int, int]]: ...
    def links(self, point: int, level: int) -> NDArray[np.uint32] | None: ...
    def encode(
        self,
        kind: int,
        base: NDArray[np.uint8] | None = None,
        link: NDArray[np.uint8] | None = None,
        base_align: int = 1,
        link_align: int = 1,
    ) -> bytes: ...
    def verify(self) -> tuple[str, int]: ...
    def unpacked(self) -> HnswLinks: ...
    @property
    def inline_shape(self) -> tuple[int, int, int, int]: ...
    def base_rows(self) -> bytes | None: ...
    def link_vectors(self, point: int) -> bytes | None: ...

class HnswSearcher:
    def __init__(self, graph: HnswLinks, space: HnswSpace) -> None: ...
    def search(
        self,
        queries: NDArray[Any],
        bounds: NDArray[np.int64] | None,
        k: int,
        ef: int,
        mask: NDArray[np.bool_] | None,
        mode: int,
        selectivity: float,
        rescore: int,
        exact: bool,
        threads: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.int64]]: ...

def hnsw_open(
    data: NDArray[np.uint8],
    kind: int,
    m: int,
    m0: int,
    entries: list[tuple[int, int]],
    extra: list[tuple[int, int]],
) -> tuple[HnswLinks | None, str, int]: ...
def hnsw_build(
    space: HnswSpace,
    offsets: NDArray[np.uint32],
    total: int,
    m: int,
    m0: int,
    ef_construct: int,
    seed: int,
    threads: int,
    blocks: list[NDArray[np.uint32]],
    payload_m: int,
    payload_m0: int,
    progress: object,
    cancel: object,
) -> HnswLinks | None: ...
