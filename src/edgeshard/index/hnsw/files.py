"""The files of a graph: ``graph.bin`` and the links.

``graph.bin`` (little-endian, no padding)::

    m u64, m0 u64, ef_construct u64,
    count u64, count x (point u32, level u64)      entry points; unfiltered searches start at the first
    count u64, count x (point u32, level u64)      further entry points: a binary min-heap by level
    capacity u64                                   of that heap, at least 1

The links are read and written natively (``native/index/hnsw/graph_file.cpp``).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage import files
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard._native import HnswLinks

Entries = list[tuple[int, int]]
Rows = npt.NDArray[np.uint8]
InlineVectors = tuple[Rows, Rows, int, int]
"""Original rows ``(points, bytes)``, coded rows ``(points, bytes)``, and the alignments of both in bytes."""

GRAPH: Final = "graph.bin"
PLAIN, COMPRESSED, WITH_VECTORS = 1, 2, 3
LINKS_FILES: Final = (
    ("links_comp_vec.bin", WITH_VECTORS),
    ("links_compressed.bin", COMPRESSED),
    ("links.bin", PLAIN),
)
"""In the order in which they are looked for."""
MAX_M: Final = 1 << 20
MAX_LEVEL: Final = 64
ENTRY: Final = np.dtype([("point", "<u4"), ("level", "<u8")])


class GraphHeader:
    """The content of ``graph.bin``.

    Args:
        m: links of a point above level 0.
        m0: links on level 0.
        ef_construct: beam while building.
        entries: ``(point, level)``, at least one unless the graph is empty.
        extra: further entry points in heap order.
        capacity: what the heap may hold.
    """

    __slots__ = ("capacity", "ef_construct", "entries", "extra", "m", "m0")

    def __init__(
        self,
        m: int,
        m0: int,
        ef_construct: int,
        entries: Entries,
        extra: Entries | None = None,
        capacity: int = 1,
    ) -> None:
        self.m, self.m0, self.ef_construct = m, m0, ef_construct
        self.entries = entries
        self.extra = extra or []
        self.capacity = max(capacity, len(self.extra), 1)

    def to_bytes(self) -> bytes:
        """The content of the file."""
        head = struct.pack("<3Q", self.m, self.m0, self.ef_construct)
        return head + pack_entries(self.entries) + pack_entries(self.extra) + struct.pack("<Q", self.capacity)

    @classmethod
    def read(cls, path: Path) -> GraphHeader:
        """The header of a graph.

        Raises:
            CorruptedError: the file is missing or damaged.
        """
        data = files.read_file(path)
        if len(data) < 48:
            raise CorruptedError(path, f"expected at least 48 bytes, got {len(data)}")
        m, m0, ef_construct = struct.unpack_from("<3Q", data)
        if max(m, m0) > MAX_M:
            raise CorruptedError(path, f"impossible m or m0: {m}, {m0}", 0)
        entries, at = unpack_entries(path, data, 24)
        extra, at = unpack_entries(path, data, at)
        if len(data) != at + 8:
            raise CorruptedError(path, f"expected {at + 8} bytes, got {len(data)}", at)
        return cls(m, m0, ef_construct, entries, extra, struct.unpack_from("<Q", data, at)[0])


def pack_entries(entries: Entries) -> bytes:
    """Count and entries as in ``graph.bin``."""
    return struct.pack("<Q", len(entries)) + np.array(entries, ENTRY).tobytes()


def unpack_entries(path: Path, data: bytes, at: int) -> tuple[Entries, int]:
    """A list of entries and where it ends."""
    if at + 8 > len(data):
        raise CorruptedError(path, "the file ends before a list of entry points", at)
    (count,) = struct.unpack_from("<Q", data, at)
    if count > (len(data) - at - 8) // ENTRY.itemsize:
        raise CorruptedError(path, f"{count} entry points do not fit the file", at)
    rows = np.frombuffer(data, ENTRY, count, at + 8)
    if count and int(rows["level"].max()) > MAX_LEVEL:
        raise CorruptedError(path, f"an entry point of level {int(rows['level'].max())}", at)
    return rows.tolist(), at + 8 + count * ENTRY.itemsize


def find_links(directory: Path) -> tuple[Path, int]:
    """The links file of a directory and its kind.

    Raises:
        CorruptedError: there is none.
    """
    for name, kind in LINKS_FILES:
        if (directory / name).exists():
            return directory / name, kind
    raise CorruptedError(directory / LINKS_FILES[1][0], "the file is missing")


def open_links(directory: Path, header: GraphHeader) -> HnswLinks:
    """The links of a graph, mapped and checked against the header.

    Raises:
        CorruptedError: a file is missing, or sizes and counts do not agree.
    """
    path, kind = find_links(directory)
    mapped = PrivateFile(path, read_only=True).array
    try:
        links, reason, offset = _native.hnsw_open(mapped, kind, header.m, header.m0, header.entries, header.extra)
    except IndexError as error:
        raise CorruptedError(directory / GRAPH, f"{error}: the links file has fewer points") from error
    if links is None:
        raise CorruptedError(path, reason, offset)
    if (links.m, links.m0) != (header.m, header.m0):
        raise CorruptedError(path, f"m {links.m}, m0 {links.m0}, but graph.bin says {header.m}, {header.m0}", 43)
    if links.points and not header.entries and header.m:  # without m only blocks are linked, of which there may be none
        raise CorruptedError(directory / GRAPH, f"no entry point for {links.points} points")
    return links


def has_inline_vectors(directory: Path) -> bool:
    """Whether the links of a graph have vectors inside."""
    return (directory / LINKS_FILES[0][0]).exists()


def inline_rows(directory: Path) -> Rows | None:
    """The original rows ``(points, bytes)`` in ``links_comp_vec.bin``, or ``None`` without such a file.

    A segment whose storage is ``GraphInline`` has no other copy of them.

    Raises:
        CorruptedError: the file is damaged.
    """
    path, kind = find_links(directory)
    if kind != WITH_VECTORS:
        return None
    links = open_links(directory, GraphHeader.read(directory / GRAPH))
    data = links.base_rows()
    if data is None:
        raise CorruptedError(path, "a list is too short for its vector")
    return np.frombuffer(data, np.uint8).reshape(links.points, links.inline_shape[0])


def write(
    directory: Path,
    links: HnswLinks,
    header: GraphHeader,
    kind: int = COMPRESSED,
    vectors: InlineVectors | None = None,
) -> None:
    """Write ``graph.bin`` and the links file, and remove links files of other kinds.

    Args:
        directory: made if it does not exist.
        links: the neighbour lists.
        header: what ``graph.bin`` says.
        kind: ``COMPRESSED``, ``PLAIN`` or ``WITH_VECTORS``.
        vectors: what goes into the lists of ``WITH_VECTORS``.

    Raises:
        StorageError: the file system refused.
    """
    arguments: tuple[Any, ...] = (kind, *vectors) if vectors is not None else (kind,)
    files.disk.mkdir(directory)
    for name, number in LINKS_FILES:
        if number == kind:
            files.replace_file_in_pieces(directory / name, lambda put: links.encode(put, *arguments))
    files.replace_file(directory / GRAPH, header.to_bytes())
    for name, number in LINKS_FILES:
        if number != kind:
            files.disk.unlink(directory / name)
