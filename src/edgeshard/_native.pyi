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

# --- columns

class ColumnStrings:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def find(self, text: str) -> int: ...
    def match(self, how: int, text: str) -> NDArray[np.bool_]: ...
    def dates_within(self, low: int, high: int) -> NDArray[np.bool_]: ...

def extract_column(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    steps: tuple[str | int | None, ...],
    counts: bool,
    strings: ColumnStrings,
) -> tuple[Any, ...]: ...
def extract_objects(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], steps: tuple[str | int | None, ...]
) -> tuple[Any, Any, Any, Any]: ...
def gather_slices(
    source: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def any_by_owner(hits: NDArray[np.bool_], owners: NDArray[np.uint32], count: int) -> NDArray[np.bool_]: ...
def geo_units(lons: NDArray[np.float64], lats: NDArray[np.float64]) -> NDArray[np.float64]: ...
def geo_radius(
    lons: NDArray[np.float64],
    lats: NDArray[np.float64],
    units: NDArray[np.float64],
    lon: float,
    lat: float,
    radius: float,
) -> NDArray[np.bool_]: ...
def geo_polygon(
    lons: NDArray[np.float64], lats: NDArray[np.float64], rings: list[list[tuple[float, float]]]
) -> NDArray[np.uint8]: ...
def slice_hash(data: bytes) -> int: ...
def slice_mask(
    low: NDArray[np.uint64], high: NDArray[np.uint64], is_uuid: NDArray[np.bool_], total: int, index: int
) -> NDArray[np.bool_]: ...
def parse_datetime(text: str) -> int | None: ...
def select_payload(raw: bytes, paths: list[tuple[str | int | None, ...]], include: bool) -> bytes: ...

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
