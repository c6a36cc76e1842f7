"""Mutated bytes in front of every parser of a file: a typed error or an answer, never a crash."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaged_shards import make_shard

import edgeshard
from edgeshard import _native
from edgeshard.errors import EdgeShardError
from edgeshard.segment.config import read_segment_config
from edgeshard.shard import config as configs
from edgeshard.shard.operations import decode
from edgeshard.storage import journal
from edgeshard.storage.bitset_file import decode_stored_bitmask, encode_stored_bitmask
from edgeshard.storage.flags import Flags
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.id_tracker import ImmutableIdTracker, MutableIdTracker
from edgeshard.storage.wal import Wal

CLEAN = (EdgeShardError, ValueError, IndexError, KeyError, TypeError)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few random edits."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            out[at : at + rng.randint(1, 16)] = b""
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 16))
        elif kind == 3:
            out[at : at + 8] = rng.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]).to_bytes(8, "little")
        elif kind == 4:
            del out[at:]
        else:
            start = rng.randrange(len(out) + 1)
            out[at : at + 8] = out[start : start + 8]
    return bytes(out)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "shard"
    make_shard(edgeshard, path)
    return path


def one(corpus: Path, pattern: str) -> Path:
    return sorted(corpus.glob(pattern))[0]


def targets(corpus: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """By name: a file to mutate and what reads a directory that holds it."""
    return {
        "segment.json": (one(corpus, "segments/*/segment.json"), lambda d: read_segment_config(d, complete=False)),
        "edge_config.json": (corpus / "edge_config.json", configs.read_config),
        "mutable_id_tracker.mappings": (one(corpus, "segments/*/mutable_id_tracker.mappings"), MutableIdTracker.open),
        "id_tracker.mappings": (one(corpus, "segments/*/id_tracker.mappings"), ImmutableIdTracker.open),
        "tracker.dat": (one(corpus, "segments/*/payload_storage/tracker.dat"), read_store),
        "config.json": (one(corpus, "segments/*/payload_storage/config.json"), read_store),
        "status.dat": (one(corpus, "segments/*/vector_storage-d/deleted/status.dat"), Flags.open),
    }  # fmt: skip


def read_store(directory: Path) -> None:
    Gridstore.open(directory, read_only=True).get_batch()


def fuzz_files(corpus: Path, scratch: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    for name, (source, read) in targets(corpus).items():
        folder = scratch / name
        folder.mkdir()
        for sibling in source.parent.iterdir():
            if sibling.is_file() and sibling.name != name:
                (folder / sibling.name).symlink_to(sibling)
        data = source.read_bytes()
        data = data[: max(64, len(data.rstrip(b"\0")) + 16)] if name != "tracker.dat" else data[:20_000]
        for _ in range(rounds):
            (folder / name).write_bytes(mutated(data, rng))
            try:
                read(folder)
            except EdgeShardError:
                continue


def fuzz_bytes(corpus: Path, scratch: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    wal = Wal.open(corpus / "wal", read_only=True)
    records = [bytes(payload) for _, payload in wal.entries(0)]
    log = next(path for path in (corpus / "wal").iterdir() if path.name.startswith("open-")).read_bytes()[:300_000]
    mask = encode_stored_bitmask(np.arange(1000) % 7 == 0)
    (scratch / "wal").mkdir()
    readers: list[Callable[[], Any]] = [
        lambda: decode(memoryview(mutated(rng.choice(records), rng))),
        lambda: decode_stored_bitmask(mutated(mask, rng), 1000, Path("mask")),
        lambda: list(journal._records(journal.MAGIC + mutated(b"\x20" + bytes(60), rng))),
        lambda: _native.unpack_sparse(
            np.frombuffer(mutated(bytes(range(64)), rng), np.uint8).copy(), np.array([0, 40])
        ),
        lambda: read_log(scratch / "wal", mutated(log, rng)),
    ]
    for number in range(rounds):
        try:
            readers[number % len(readers)]()
        except (*CLEAN, UnicodeDecodeError):
            continue


def read_log(directory: Path, data: bytes) -> None:
    (directory / "open-1").write_bytes(data)
    wal = Wal.open(directory, read_only=True, on_damage="skip")
    for _, payload in wal.entries(0):
        len(payload)
    wal.close()


def test_files(corpus: Path, tmp_path: Path) -> None:
    fuzz_files(corpus, tmp_path, 60, 1)


def test_bytes(corpus: Path, tmp_path: Path) -> None:
    fuzz_bytes(corpus, tmp_path, 600, 1)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_long(corpus: Path, tmp_path: Path) -> None:
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        fuzz_files(corpus, tmp_path / str(seed), 500, seed)
        fuzz_bytes(corpus, tmp_path / str(seed), 10_000, seed)
