"""Typed view of the native module, one section per register_* family of native/bind."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

_Made = TypeVar("_Made")

# --- distance

def cpu_isa() -> str:
    """Return the instruction set in use: "scalar", "neon", "dotprod", "avx2" or "avx512" (EDGESHARD_CPU caps it)."""

def default_threads() -> int:
    """Return how many threads this process may use (its processors, capped by EDGESHARD_THREADS)."""

def scan_threads(estimated_ns: int, threads: int = 0) -> int:
    """Return how many threads a scan that takes so long on one would be given now; 0 = it may choose.

    A scan that may choose uses several only if it is long and no other scan of the process is in progress.
    """

# --- scan

# Vectors are float32, float16 or uint8, C-contiguous; queries and chunks have one dtype and dimension.
# distance: 0 Cosine, 1 Euclid, 2 Dot, 3 Manhattan. isa: None = the best one.
# threads: at most this many, 0 = as many as the work deserves.

def scan_topk(
    queries: NDArray[Any],
    chunks: list[NDArray[Any]],
    mask: NDArray[np.bool_] | None,
    k: int,
    distance: int,
    threads: int = 0,
    isa: str | None = None,
    single: bool = False,
) -> tuple[Any, ...]:
    """Return (offsets (q, k'), sims (q, k'), counts (q,)), k' = min(k, rows), best first, ties by offset.

    single: (offsets (n,), sims (n,)) of one query instead.
    """

def topk_listed(
    queries: NDArray[Any],
    chunks: list[NDArray[Any]],
    offsets: NDArray[np.uint32],
    k: int,
    distance: int,
    threads: int = 0,
    isa: str | None = None,
    single: bool = False,
) -> tuple[Any, ...]: ...
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

def most_diverse(
    query: NDArray[np.float32],
    queries: NDArray[np.float32],
    stored: NDArray[np.float32],
    bounds: NDArray[np.int64] | None,
    balance: float,
    limit: int,
    distance: int,
) -> NDArray[np.uint32]:
    """Return (m,) places of up to limit candidates in the order maximal marginal relevance picks them.

    queries, stored: (rows, dim), the candidates in the role of queries and as they are stored; one array if that is the
    same. bounds: (n + 1,) where the rows of each begin and end, None: one row each.
    """

def sparse_scores(
    q_indices: NDArray[np.uint32],
    q_values: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.uint32],
    values: NDArray[np.float32],
    threads: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return (similarity, number of common indices) of every row; indices ascend within a row."""

def streaming_read(data: NDArray[Any], threads: int = 0) -> int:
    """Read all bytes once, in order: the floor for the time of a scan."""

def queue_order(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return places in `scores` (descending, no NaN) in the order Qdrant's bounded queue gives them back."""

def mean_and_variance(scores: NDArray[np.float32]) -> tuple[float, float]:
    """Return mean and sample variance of at least two scores, rounded to single precision at every step."""

class Codes8:
    """Byte codes of float32 rows with proven error bounds, for exact search (see native/kernels/codes8).

    Threads may search together; extend and update wait for them.
    """

    def __init__(self, dim: int, isa: str | None = None) -> None: ...
    def extend(self, rows: NDArray[np.float32], threads: int = 0) -> None:
        """Append the codes of (n, dim) rows."""

    def update(self, offsets: NDArray[np.uint32], rows: NDArray[np.float32]) -> None:
        """Encode the rows at these offsets again."""

    def make_nibbles(self, threads: int = 0) -> None:
        """Keep half-byte codes of all rows, too, which searches of one query read first."""

    @staticmethod
    def around(dim: int, rows: int, bytes: tuple[NDArray[Any], ...], nibbles: NDArray[np.uint8] | None) -> Codes8:
        """Codes that lie in memory as ``parts`` and ``nibbles`` gave them, which is not written to."""

    def parts(self) -> tuple[NDArray[Any], ...]:
        """(codes, scale, error, norm) where they lie, valid until rows are added."""

    def nibbles(self) -> NDArray[np.uint8] | None:
        """Half-byte codes with their numbers where they lie, valid until rows are added; None if there are none."""

    def search(
        self,
        queries: NDArray[np.float32],
        chunks: list[NDArray[np.float32]],
        mask: NDArray[np.bool_] | None,
        offsets: NDArray[np.uint32] | None,
        k: int,
        distance: int,
        threads: int = 0,
        isa: str | None = None,
        single: bool = False,
        copies: Codes8 | None = None,
    ) -> tuple[Any, ...]:
        """Return what scan_topk returns for the rows of a mask, or of distinct offsets; not for Manhattan.

        copies: what ``copies`` returned for the offsets and the codes as they are now.
        """

    def copies(self, offsets: NDArray[np.uint32]) -> Codes8:
        """The codes at some offsets side by side: scans of these rows take two thirds of the time with them."""

    @property
    def count(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def has_nibbles(self) -> bool: ...
    @property
    def size_bytes(self) -> int: ...

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

class TextEmbedder:
    def __init__(
        self,
        splitter: int,
        lowercase: bool,
        folding: bool,
        stop_words: list[str],
        stem: Callable[[list[bytes]], list[bytes]] | None,
        min_len: int,
        max_len: int,
        every_prefix: bool,
        cut: bool,
        k: float,
        b: float,
        average_len: float,
    ) -> None: ...
    def make(self, type: type) -> None:
        """Give results in the field `_packed` of objects of a type."""

    def document(self, text: str, /) -> Any:
        """Return the indices u32, then the weights f32, of a stored text."""

    def document_of(self, tokens: list[str]) -> Any:
        """Return the same of split tokens."""

    def query(self, text: str, /) -> Any: ...
    def query_of(self, tokens: list[str]) -> Any: ...

# --- columns

class ColumnStrings:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def find(self, text: str) -> int: ...
    def match(self, how: int, text: str) -> NDArray[np.bool_]: ...
    def dates_within(self, low: int, high: int) -> NDArray[np.bool_]: ...
    def dates(self) -> NDArray[np.int64]: ...
    def order(self, codes: NDArray[np.uint32], wanted: int) -> NDArray[np.uint32]: ...

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
def group_by_point(
    owners: NDArray[np.uint32], numbers: NDArray[np.uint32], points: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]: ...
def count_values(
    starts: NDArray[np.int64], numbers: NDArray[np.uint32], chosen: NDArray[np.uint32], groups: int
) -> NDArray[np.int64]: ...
def most_frequent(counts: NDArray[np.int64], wanted: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def geo_units(lons: NDArray[np.float64], lats: NDArray[np.float64]) -> NDArray[np.float64]: ...
def geo_distances(
    lons: NDArray[np.float64], lats: NDArray[np.float64], lon: float, lat: float
) -> NDArray[np.float64]: ...
def geo_radius(
    lons: NDArray[np.float64],
    lats: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
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
def merge_payload(old: bytes, patch: bytes) -> tuple[str | None, bytes | None]:
    """:func:`merge_payloads` for one payload: what is wrong with it or None, and the text after the merge."""

def merge_payloads(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], patch: bytes, absent: bytes
) -> tuple[tuple[int, int, str] | None, NDArray[np.uint8], NDArray[np.int64]]:
    """Merge the members of the object `patch` into each payload, a null removing its key.

    Args:
        data: JSON texts back to back.
        bounds: ``(n + 1,)``; an empty one has no payload.
        patch: JSON of an object.
        absent: what a point without payload gets.

    Returns:
        What is wrong as (number of the payload, byte, reason) or None, and texts and bounds after the merge.
    """

def select_payload(raw: bytes, paths: list[tuple[str | int | None, ...]], include: bool) -> bytes: ...

# --- convert

def pack_vector(vector: object, finite: bool) -> bytes | tuple[bytes, int, int] | None: ...
def encode_payload(payload: dict[str, object]) -> bytes: ...
def put_fields(target: object, /, **fields: object) -> None: ...

# --- id_tracker

class IdMap:
    """Ids (int, UUID) to offsets and back; ``keep_log`` records every change in the format of the mappings log."""

    def __init__(self, *, keep_log: bool = False) -> None: ...
    def insert(self, ids: object, /) -> int: ...
    def insert_one(self, id: int | UUID, /) -> int: ...
    def find(self, id: int | UUID, /) -> int | None: ...
    def find_many(self, ids: object, /) -> NDArray[np.int64]: ...
    def remove(self, offsets: NDArray[np.uint32], /) -> int: ...
    def id_at(self, offset: int, /) -> int | UUID: ...
    def ids_of(self, offsets: NDArray[np.uint32], /) -> list[int | UUID]: ...
    def numbers_of(self, offsets: NDArray[np.uint32], /) -> NDArray[np.uint64] | None: ...
    def parts_of(
        self, offsets: NDArray[np.uint32], /
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]: ...
    def extend(self, count: int, /) -> None: ...
    @property
    def total(self) -> int: ...
    @property
    def live(self) -> int: ...
    def deleted_mask(self) -> NDArray[np.bool_]: ...
    def sorted_offsets(self) -> NDArray[np.uint32]: ...
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]: ...
    def load_log(self, data: NDArray[np.uint8], /) -> tuple[str | None, int, int, str | None, int]:
        """What is wrong and where, where the last whole record ends, and the first record that no tracker writes."""

    def load_table(self, data: NDArray[np.uint8], deleted: NDArray[np.uint8], /) -> tuple[str | None, int]: ...
    def pending(self) -> bytes: ...
    @property
    def pending_bytes(self) -> int: ...
    def drop_pending(self, count: int, /) -> None: ...

class DiskIdMap:
    """Binary search in an ``id_tracker.e2i``; -1 is not found, -2 a contradiction with the ids by offset."""

    def __init__(self, e2i: NDArray[np.uint8], i2e_keys: NDArray[np.uint8], is_uuid: NDArray[np.bool_], /) -> None: ...
    @property
    def status(self) -> tuple[str | None, int]: ...
    def find(self, id: int | UUID, /) -> int: ...
    def find_many(self, ids: object, /) -> NDArray[np.int64]: ...
    def sorted_offsets(self) -> NDArray[np.uint32]: ...

def are_numbers(ids: list[Any], /) -> bool:
    """Whether all items are ints, no more and no less, from 0 to 2^64 - 1."""

def make_ids(lo: NDArray[np.uint64], hi: NDArray[np.uint64], is_uuid: NDArray[np.bool_], /) -> list[int | UUID]: ...
def parse_ids(ids: object, /) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]: ...
def encode_id_table(
    lo: NDArray[np.uint64], hi: NDArray[np.uint64], is_uuid: NDArray[np.bool_], /
) -> NDArray[np.uint8]: ...

# --- numeric_codec

def to_stored(rows: NDArray[np.float32], normalise: bool, element: int, out: NDArray[Any], /) -> None: ...
def query_row(vector: NDArray[np.float32], normalise: bool, element: int, /) -> NDArray[Any]: ...
def number_row(vector: NDArray[Any], dim: int, normalise: bool, element: int, /) -> NDArray[Any] | None:
    """query_row of any numbers; None unless they are `dim` finite ones in one dimension."""

def from_stored(rows: NDArray[Any], element: int, out: NDArray[np.float32], /) -> None: ...
def pack_sparse(
    indptr: NDArray[np.int64], indices: NDArray[np.uint32], values: NDArray[np.float32], /
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def unpack_sparse(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], /
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]: ...

# --- gridstore

class GridCore:
    def __init__(self, directory: object, page_bytes: int, block_bytes: int, region_blocks: int, lz4: bool) -> None: ...
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
    def put_batch(self, slots: NDArray[np.uint32], values: list[bytes | None], start: int) -> tuple[int, int]: ...
    @overload
    def put_batch(
        self, slots: NDArray[np.uint32], data: NDArray[np.uint8], bounds: NDArray[np.int64], start: int
    ) -> tuple[int, int]: ...
    def remove(self, slots: NDArray[np.uint32]) -> None: ...
    def remove_one(self, slot: int) -> None: ...
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

class HnswSpace:
    def __init__(
        self,
        chunks: list[NDArray[Any]],
        distance: int,
        first: NDArray[np.uint32] | None = None,
        count: NDArray[np.uint32] | None = None,
        codes: Codes8 | None = None,
        records: RecordCodec | None = None,
        record_chunks: list[NDArray[np.uint8]] | None = None,
        walk_codes: WalkCodes | None = None,
    ) -> None:
        """records: what the rows are compressed with; the rows are records themselves without record_chunks.

        walk_codes: made of the same records, to walk on instead.
        """

    @property
    def points(self) -> int: ...

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
        put: Callable[[bytes], None],
        kind: int,
        base: NDArray[np.uint8] | None = None,
        link: NDArray[np.uint8] | None = None,
        base_align: int = 1,
        link_align: int = 1,
    ) -> None: ...
    def verify(self) -> tuple[str, int]: ...
    def census(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32], int, int, int, int]:
        """Return how the links hang together; verify must have found nothing.

        Per point the links on level 0, and how many of them are mutual; the first point one of whose lists names a
        point twice, itself, or one without a list, and the first entry point of another level or without a list
        (-1 for none).
        """
    def unpacked(self) -> HnswLinks: ...
    @property
    def inline_shape(self) -> tuple[int, int, int, int]: ...
    def base_rows(self) -> bytes | None: ...
    def link_vectors(self, point: int) -> bytes | None: ...

class HnswSearcher:
    def __init__(self, graph: HnswLinks, space: HnswSpace, fast: bool = False) -> None: ...
    def search_one(
        self,
        query: NDArray[Any],
        k: int,
        ef: int,
        mask: NDArray[np.bool_] | None,
        mode: int,
        selectivity: float,
        held: float,
        rescore: int,
        exact: bool,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]] | None: ...
    def search(
        self,
        queries: NDArray[Any],
        bounds: NDArray[np.int64] | None,
        k: int,
        ef: int,
        mask: NDArray[np.bool_] | None,
        mode: int,
        selectivity: float,
        held: float,
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
    old: HnswLinks | None = None,
    old_points: NDArray[np.uint32] | None = None,
) -> HnswLinks | None: ...

# --- wal

# data, payload: any contiguous bytes-like object.

def crc32c(data: Any, crc: int = 0) -> int:
    """Return the CRC-32C of `data`, continuing the finished checksum `crc`."""

def crc32c_portable(data: Any, crc: int = 0) -> int: ...
def wal_crc(data: Any, previous: int) -> int:
    """Return the chained checksum of a record: the register starts as the bit-reversed `previous`."""

def wal_record(payload: Any, previous: int) -> tuple[bytes, int]:
    """Return (record, its checksum)."""

def wal_frame(payload: Any, previous: int) -> tuple[bytes, bytes, int]:
    """Return (what precedes the payload, what follows it, its checksum)."""

def wal_scan(data: Any, offset: int, previous: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int, int]:
    """Return (offsets, payload lengths, end, last checksum, stop).

    stop: 0 the file is full, 1 zeroes follow, 2 a length that cannot be, 3 a wrong checksum.
    """

def wal_inspect(data: Any, offset: int, previous: int) -> tuple[tuple[int, int] | None, int]:
    """Return (offset, checksum) where the log goes on behind the invalid record at `offset`, or None.

    With None comes where a valid record lies that may be of this log or of an earlier life of the file, 0 if none does.
    """

def wal_skip(data: Any, offset: int, previous: int, most: int) -> tuple[int, int, int]:
    """Pass over at most `most` records by their lengths, never the last; return how many, (offset, checksum) there."""

def all_zero(data: Any) -> bool: ...
def extend_crc32c(data: Any, gap: int, crc: int) -> tuple[int, int]:
    """Return how many bytes there are up to the last that is not zero, and `crc` over `gap` zeroes and those bytes."""

def cbor_dumps(value: Any) -> bytes:
    """Return `value` as CBOR; a memoryview is CBOR already, float32 and uint32 arrays become lists."""

def cbor_loads(data: Any) -> Any:
    """Return the value; "payload" maps come as JSON bytes, "payloads" as a list of them.

    Raises ValueError for anything that is not one CBOR value this package can hold.
    """

def json_to_cbor(json: Any) -> bytes: ...
def cbor_to_json(data: Any) -> bytes: ...
def encode_upsert_raw(
    ids: NDArray[np.uint64] | list[Any],
    vectors: list[tuple[str, Any, NDArray[np.bool_] | None]],
    payloads: list[bytes | None] | tuple[NDArray[np.uint8], NDArray[np.int64]] | None,
) -> bytes:
    """Return the operation upsert_points_raw.

    vectors: (name, rows (n, dim) of stored elements | (data u8, bounds (n + 1,)), mask (n,) | None).
    payloads: JSON texts, or (data u8, bounds) where an empty text is no payload.
    """

def decode_upsert_raw(
    data: Any,
) -> (
    tuple[
        NDArray[np.uint64] | list[Any],
        dict[str, tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]],
        list[bytes | None],
    ]
    | None
):
    """Return (ids, {name: (data, bounds, present)}, payloads as JSON), None for another operation."""

# --- payload_index

def string_texts(strings: ColumnStrings, codes: NDArray[np.uint32]) -> list[str]: ...
def string_bytes(strings: ColumnStrings, first: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def string_uuids(
    strings: ColumnStrings,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint8]]: ...
def parse_uuids(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint8]]: ...
def pack_keywords(
    strings: ColumnStrings, codes: NDArray[np.uint32], counts: NDArray[np.uint32]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def pack_tokens(
    vocabulary: list[str],
    numbers: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    texts: NDArray[np.uint32],
    counts: NDArray[np.uint32],
    form: int,
    lengths: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...

class TextIndex:
    @property
    def documents(self) -> int: ...
    def all_of(self, tokens: list[str], count: int) -> NDArray[np.bool_]: ...
    def any_of(self, tokens: list[str], count: int) -> NDArray[np.bool_]: ...
    def phrase(self, tokens: list[str], count: int) -> NDArray[np.bool_]: ...
    def filled(self, count: int) -> NDArray[np.bool_]: ...
    def statistics(self, tokens: list[str], alive: NDArray[np.bool_] | None) -> tuple[int, int, list[int]]: ...
    def search(
        self,
        tokens: list[str],
        rarity: list[float],
        k: float,
        b: float,
        average: float,
        mask: NDArray[np.bool_],
        limit: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]]: ...

class PlainTextIndex(TextIndex):
    def __init__(self, separators: bool) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def put(
        self,
        documents: NDArray[np.uint32],
        vocabulary: list[str],
        numbers: NDArray[np.uint32],
        bounds: NDArray[np.int64],
        texts: NDArray[np.uint32],
        counts: NDArray[np.uint32],
    ) -> None: ...
    def remove(self, documents: NDArray[np.uint32]) -> None: ...

class TextIndexFiles(TextIndex):
    def check(self) -> None: ...

def open_text_files(
    vocabulary: NDArray[np.uint8],
    postings: NDArray[np.uint8],
    distinct: NDArray[np.uint8],
    frequencies: NDArray[np.uint8],
    positions: bool,
    documents: int,
) -> TextIndexFiles: ...
def build_map(
    kind: int,
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    value_bounds: NDArray[np.int64],
    values: NDArray[np.uint32],
) -> NDArray[np.uint8]: ...
def build_prefix_index(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], counts: NDArray[np.uint32]
) -> NDArray[np.uint8]: ...
def build_text_files(
    vocabulary: list[str],
    numbers: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    texts: NDArray[np.uint32],
    counts: NDArray[np.uint32],
    positions: bool,
    scoring: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint32]]: ...
def mark_pairs(data: NDArray[np.uint8], first: int, last: int, points: int) -> NDArray[np.bool_]: ...
def pair_offsets(data: NDArray[np.uint8], first: int, last: int, points: int) -> NDArray[np.uint32]: ...

class KeyMap:
    def __init__(self, file: NDArray[np.uint8]) -> None: ...
    def __len__(self) -> int: ...
    @property
    def kind(self) -> int: ...
    def offsets(self, key: bytes, points: int) -> NDArray[np.uint32]: ...
    def find(self, key: bytes) -> NDArray[np.uint32]: ...
    def entry(self, bucket: int) -> tuple[bytes, NDArray[np.uint32]]: ...
    def matching(self, text: bytes, anywhere: bool, points: int) -> NDArray[np.bool_]: ...
    def with_prefix(self, index: PrefixFile, prefix: bytes, points: int) -> NDArray[np.bool_]: ...
    def groups(
        self, points: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint32]]: ...

class PrefixFile:
    def __init__(self, file: NDArray[np.uint8]) -> None: ...
    def __len__(self) -> int: ...

def cover_boxes(
    boxes: list[tuple[float, float, float, float]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]: ...

class GeoPlaces:
    def __init__(
        self,
        cells: NDArray[np.uint8],
        ids: NDArray[np.uint8],
        starts: NDArray[np.int64],
        places: NDArray[np.float64],
        points: int,
    ) -> None: ...
    def near(
        self, firsts: NDArray[np.uint64], lasts: NDArray[np.uint64], most: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float64], NDArray[np.float64]] | None: ...

# --- quantization

class WalkCodes:
    """Records laid out for graph walks: codes aligned to cache lines, the floats of a row apart from them."""

    @staticmethod
    def possible(codec: RecordCodec) -> bool:
        """Whether records of a codec can be laid out like this."""

    @staticmethod
    def expected_bytes(codec: RecordCodec, count: int) -> int:
        """Size of the codes of so many rows."""

    @staticmethod
    def build(codec: RecordCodec, chunks: list[NDArray[np.uint8]], threads: int = 0) -> WalkCodes:
        """Copy records."""

    @staticmethod
    def around(codec: RecordCodec, count: int, data: NDArray[np.uint8]) -> WalkCodes:
        """Codes that lie in memory, as ``data`` gave them: ``(expected_bytes,)``, aligned to 64 bytes."""

    def score(
        self, query: NDArray[np.float32], offsets: NDArray[np.uint32], isa: str | None = None
    ) -> NDArray[np.float32]:
        """Similarities of a query ``(dim,)``, rounded to bytes, with the rows at offsets."""

    @property
    def count(self) -> int: ...
    @property
    def data(self) -> NDArray[np.uint8]: ...

class RecordCodec:
    """One way of compressing vectors into records of bytes; thread safe.

    Similarities are larger for closer vectors. threads: at most this many, 0 = as many as the work deserves.
    """

    @property
    def dim(self) -> int: ...
    @property
    def stride(self) -> int: ...
    def encode(self, rows: NDArray[np.float32], threads: int = 0) -> NDArray[np.uint8]: ...
    def decode(self, records: NDArray[np.uint8], threads: int = 0) -> NDArray[np.float32]: ...
    def rotate(self, rows: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def topk(
        self,
        queries: NDArray[np.float32],
        chunks: list[NDArray[np.uint8]],
        mask: NDArray[np.bool_] | None,
        offsets: NDArray[np.uint32] | None,
        k: int,
        threads: int = 0,
        isa: str | None = None,
        single: bool = False,
    ) -> tuple[Any, ...]:
        """Return what scan_topk does."""

    def score(
        self,
        queries: NDArray[np.float32],
        chunks: list[NDArray[np.uint8]],
        offsets: NDArray[np.uint32] | None,
        threads: int = 0,
        isa: str | None = None,
    ) -> NDArray[np.float32]: ...
    def maxsim(
        self,
        query: NDArray[np.float32],
        chunks: list[NDArray[np.uint8]],
        first: NDArray[np.uint32],
        count: NDArray[np.uint32],
        offsets: NDArray[np.uint32] | None,
        threads: int = 0,
        isa: str | None = None,
    ) -> NDArray[np.float32]:
        """Return MaxSim per point; NaN for a point without rows."""

def turbo_codec(
    dim: int,
    bits: int,
    padded: int,
    distance: int,
    plus: bool,
    rotate_padding: bool,
    shift: NDArray[np.float64] | None,
    scale: NDArray[np.float64] | None,
) -> RecordCodec: ...
def scalar_codec(dim: int, distance: int, alpha: float, offset: float, multiplier: float) -> RecordCodec: ...
def product_codec(
    dim: int, distance: int, bounds: NDArray[np.uint32], centroids: NDArray[np.float32]
) -> RecordCodec: ...
def binary_codec(
    dim: int,
    encoding: int,
    query_bits: int,
    stride: int,
    mean: NDArray[np.float32] | None,
    deviation: NDArray[np.float32] | None,
) -> RecordCodec: ...
def train_centroids(
    rows: NDArray[np.float32], bounds: NDArray[np.uint32], iterations: int, seed: int, threads: int = 0
) -> NDArray[np.float32]: ...

# --- models and selections

def model_state(model: object, base: type, frozen: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Hashable values that decide the equality of a model object, its class first.

    base: the class of all models; frozen: makes hashable what is neither a model nor a plain value.
    """

def mask_offsets(mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Where a mask is set, ascending."""

# --- results

class ResultPage:
    """What the points of one result have in common; each makes its own from it when that is read.

    Args:
        ids: lo and hi ``(n,)`` u64 and is_uuid ``(n,)``.
        payloads: JSON texts one after the other, their ``(n + 1,)`` i64 bounds, and the text of an empty one.
        vectors: its ``at(place)`` makes those of a point.
    """

    def __init__(
        self,
        ids: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]] | None,
        payloads: tuple[NDArray[np.uint8], NDArray[np.int64], bytes] | None,
        vectors: Any,
    ) -> None: ...

class Found:
    """A point of a result. What it does not hold itself its page has."""

    id: int | UUID
    _payload: bytes | None
    _vectors: Any
    _source: Any

class ObjectMaker(Generic[_Made]):
    """Makes objects of a slotted class without its __init__; the garbage collector does not track them, so that nothing
    that is put in may lead back to them.

    Args:
        cls: the class.
        names: of its slots.
    """

    def __init__(self, cls: type[_Made], names: tuple[str, ...]) -> None: ...
    def __call__(self, columns: tuple[Any, ...], count: int, page: ResultPage | None = None) -> list[_Made]:
        """Objects by columns: per name a list or an array with one item per object, ``(array, offsets (count,) u32)``
        that say where in a longer array each object's item is, ``...`` for what ``page`` has, or one value for all."""

def split_values(data: NDArray[np.uint8], bounds: NDArray[np.int64], absent: bytes) -> list[bytes]:
    """Byte strings between consecutive bounds; absent where two are equal."""

# --- sparse

class SparseIndex:
    """Posting lists by dimension. Searches may run side by side; a damaged list found while reading raises
    ``RuntimeError(reason, byte offset)``."""

    @property
    def vectors(self) -> int:
        """Points with a vector that is not empty."""

    def search(
        self,
        indices: NDArray[np.uint32],
        values: NDArray[np.float32],
        mask: NDArray[np.bool_],
        k: int,
        zeros: bool = False,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Return (offsets, sims) of the best k points that mask marks and that share an index, best first.

        zeros: keep sums of exactly 0 (always kept when one index of the query has postings).
        """

    def search_stats(
        self, indices: NDArray[np.uint32], values: NDArray[np.float32], mask: NDArray[np.bool_], k: int
    ) -> tuple[int, int, int]:
        """Return (postings added up, points looked up, windows or blocks skipped) of a search."""

    def score(
        self, indices: NDArray[np.uint32], values: NDArray[np.float32], offsets: NDArray[np.uint32]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        """Return (sims, number of shared indices) of points given by ascending offset."""

    def frequencies(self, indices: NDArray[np.uint32], mask: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return how many points (that mask marks) have each index."""

class PlainSparseIndex(SparseIndex):
    """Lists in memory, kept current."""

    def __init__(self) -> None: ...
    def put(
        self,
        offsets: NDArray[np.uint32],
        indptr: NDArray[np.int64],
        indices: NDArray[np.uint32],
        values: NDArray[np.float32],
    ) -> None:
        """Add vectors of points that have none here."""

    def remove(self, offsets: NDArray[np.uint32], indptr: NDArray[np.int64], indices: NDArray[np.uint32]) -> None:
        """Take out the vectors points have."""

    def encode(self, weights: int) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return (content of inverted_index.dat, dimension of each list)."""

class PackedSparseIndex(SparseIndex):
    """Compressed lists in a mapped file."""

    def check(self) -> None:
        """Check every list."""

def sums_above(sums: NDArray[np.float32], least: float, isa: str | None = None) -> NDArray[np.uint8]: ...
def idf_weights(
    indexes: list[SparseIndex], indices: NDArray[np.uint32], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return values * ln(1 + (N - df + 0.5) / (df + 0.5)), N and df added up over the indexes."""

def sparse_index_open(
    data: NDArray[np.uint8],
    posting_count: int,
    weights: int,
    points: int,
    vectors: int,
    dimensions: NDArray[np.uint32],
    slots: NDArray[np.uint32],
) -> tuple[PackedSparseIndex | None, str, int]:
    """Return (index, "", 0), or (None, reason, byte offset) for a damaged file.

    Raises IndexError for a slot that is not below posting_count.
    """

# --- call_lock

class CallGuard(Generic[_Made]):
    """A block inside a lock; entering and leaving are single steps for signal handlers."""

    def __enter__(self) -> _Made: ...
    def __exit__(self, kind: object, error: object, trace: object) -> None: ...

class CallLock:
    """Many readers or one writer, writers first, as context managers; knows the threads inside.

    too_deep: makes the exception raised in place of a RecursionError that leaves a block.
    """

    def __init__(self, too_deep: Callable[[], BaseException]) -> None: ...
    @overload
    def reading(self, opened: None = None, waiting: Callable[[], None] | None = None) -> CallGuard[None]: ...
    @overload
    def reading(self, opened: Callable[[], _Made], waiting: Callable[[], None] | None = None) -> CallGuard[_Made]:
        """Hold it as a reader.

        opened: called inside; what it returns is what the block gets, and if it raises the lock is let go of.
        waiting: called ten times a second while others are inside; may raise to give up.

        Raises ReentrantCallError if the thread is inside, or is waiting to be.
        """
    @overload
    def writing(self, opened: None = None, waiting: Callable[[], None] | None = None) -> CallGuard[None]: ...
    @overload
    def writing(self, opened: Callable[[], _Made], waiting: Callable[[], None] | None = None) -> CallGuard[_Made]:
        """Hold it as the writer; see reading."""
    def check_outside(self) -> None:
        """Raise ReentrantCallError if this thread is inside, or is waiting to be."""
    def downgrade(self) -> None:
        """Become a reader without letting another writer in between."""
