"""Whether a segment directory holds every file its configuration calls for, and whether our readers can open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeshard.errors import EdgeShardError, SnapshotError
from edgeshard.index.sparse.files import LISTS
from edgeshard.index.turbo import TURBO_BITS
from edgeshard.segment.config import DenseConfig, SegmentConfig, SparseConfig, read_segment_config
from edgeshard.segment.files import open_segment
from edgeshard.shard.snapshot.limits import refusal
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files
from edgeshard.storage.chunked import STATUS_BYTES, STATUS_FILE

GRIDSTORE = ("config.json", "tracker.dat", "page_0.dat", "bitmask.dat", "gaps.dat")
FLAGS = ("status.dat", "flags_a.dat")
CHUNKED = ("config.json", "status.dat")
MAPPINGS = ("id_tracker.mappings",)
DISK_MAPPINGS = ("id_tracker.i2e", "id_tracker.e2i", "id_tracker.is_uuid")
VERSIONS = ("id_tracker.versions", "id_tracker.compact_versions")
MUTABLE_IDS = ("mutable_id_tracker.mappings", "mutable_id_tracker.versions")
GRAPH = ("hnsw_config.json", "graph.bin")
GRAPH_LINKS = ("links.bin", "links_compressed.bin", "links_comp_vec.bin")
SPARSE_INDEX = ("sparse_index_config.json",)
STATUS_FILES = f"vector_storage*/*/{STATUS_FILE}"


def check_segment(path: Path) -> SegmentConfig:
    """The configuration of a segment whose files are all there and open.

    Raises:
        SnapshotError: a file is missing, damaged, or of a newer version.
    """
    pause()
    name = f"segments/{path.name}"
    try:
        config = read_segment_config(path)
        for missing in _missing(path, config):
            raise refusal(f"{name}/{missing}", "missing, so the segment is not complete")
        open_segment(path, read_only=True).close()
        return config
    except SnapshotError:
        raise
    except (EdgeShardError, ValueError, OSError) as error:
        reason = str(error).replace(f"{path}", name)
        raise SnapshotError(f"failed to open segment {path.name} of the snapshot: {reason}") from error


def _missing(path: Path, config: SegmentConfig) -> Iterator[str]:
    """Files a segment should have and has not."""
    wanted = [f"payload_storage/{name}" for name in GRIDSTORE]
    wanted.append("payload_index/config.json")
    for vector, dense in config.vector_data.items():
        wanted += _dense_files(path, vector, dense, config.appendable)
    for vector, sparse in config.sparse_vector_data.items():
        wanted += _sparse_files(path, vector, sparse, config.appendable)
    yield from (name for name in wanted if not (path / name).is_file())
    yield from _missing_choice(path, config)


def _missing_choice(path: Path, config: SegmentConfig) -> Iterator[str]:
    """The same for files that come in several forms."""
    if config.appendable:
        present = [name for name in MUTABLE_IDS if (path / name).is_file()]
        if len(present) == 1 or (not present and _has_points(path)):  # without points Qdrant makes neither
            yield next(name for name in MUTABLE_IDS if name not in present)
    else:
        mappings = DISK_MAPPINGS if (path / DISK_MAPPINGS[0]).is_file() else MAPPINGS
        if not any((path / name).is_file() for name in MUTABLE_IDS):
            yield from (name for name in (*mappings, "id_tracker.deleted") if not (path / name).is_file())
            if not any((path / name).is_file() for name in VERSIONS):
                yield VERSIONS[0]
    for vector, dense in config.vector_data.items():
        graph = _directory("vector_index", vector)
        if not dense.is_plain and not any((path / graph / links).is_file() for links in GRAPH_LINKS):
            yield f"{graph}/{GRAPH_LINKS[1]}"


def _has_points(path: Path) -> bool:
    """Whether the vector storages of an appendable segment count points, whatever its ids say."""
    counts = (files.read_file(file, files.STATUS_LIMIT_BYTES)[:STATUS_BYTES] for file in path.glob(STATUS_FILES))
    return any(any(count) for count in counts)


def _directory(kind: str, vector: str) -> str:
    return f"{kind}-{vector}" if vector else kind


def _dense_files(path: Path, vector: str, dense: DenseConfig, appendable: bool) -> list[str]:
    storage = _directory("vector_storage", vector)
    wanted = []
    if not dense.is_plain:
        wanted += [f"{_directory('vector_index', vector)}/{name}" for name in GRAPH]
    if dense.storage_type == "Empty" or (not appendable and dense.is_plain and not (path / storage).is_dir()):
        return wanted  # a name added to an immutable segment has no files until a point has such a vector
    turbo = dense.datatype in TURBO_BITS
    rows = f"{storage}/tq_vectors" if turbo else f"{storage}/vectors"
    flags = [f"{storage}/deleted/{name}" for name in FLAGS]
    if dense.multi:
        entries = f"{storage}/tq_offsets" if turbo else f"{storage}/offsets"
        wanted += [f"{part}/{name}" for part in (rows, entries) for name in CHUNKED] + flags
    elif dense.storage_type in ("ChunkedMmap", "InRamChunkedMmap"):
        wanted += [f"{rows}/{name}" for name in CHUNKED] + flags
    elif dense.storage_type in ("Mmap", "InRamMmap"):
        wanted += [f"{rows}.dat", *flags] if turbo else [f"{storage}/matrix.dat", f"{storage}/deleted.dat"]
    if dense.quantization is not None and not appendable:
        wanted += [f"{storage}/{name}" for name in ("quantized.config.json", "quantized.meta.json")]
    return wanted


def _sparse_files(path: Path, vector: str, sparse: SparseConfig, appendable: bool) -> list[str]:
    storage, index = _directory("vector_storage", vector), _directory("vector_index", vector)
    postings = path / index / LISTS
    indexed = postings.is_file() and postings.stat().st_size > 0
    if sparse.storage_type == "empty" or not (appendable or indexed or (path / storage).is_dir()):
        return []  # as for a dense name, but Qdrant makes an empty index
    wanted = [f"{storage}/store/{name}" for name in GRIDSTORE]
    wanted += [f"{storage}/deleted/{name}" for name in FLAGS]
    if not appendable:
        wanted += [f"{index}/{name}" for name in SPARSE_INDEX]
    return wanted
