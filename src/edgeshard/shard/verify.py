"""Looking for damage: checksums, then every file opened and every point read, then counts against one another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgeshard.errors import CorruptedError, EdgeShardError, StorageError, ValidationError, quoted
from edgeshard.index import kept_codes
from edgeshard.models.payload import decode_payload
from edgeshard.segment.batch import DenseColumn, Offsets
from edgeshard.segment.fields import Field
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs
from edgeshard.shard import seal
from edgeshard.shard.directories import ODD, absent, odd_entries, segment_names
from edgeshard.shard.replica import Replica
from edgeshard.shard.told import Told, passing_on, telling
from edgeshard.shard.verify_graphs import damaged_graphs
from edgeshard.shard.verify_indexes import wrong_indexes
from edgeshard.shard.verify_lists import damaged_lists
from edgeshard.storage import checksums
from edgeshard.storage.convert import COSINE
from edgeshard.storage.wal import Wal

OnProgress: TypeAlias = "Told | None"
"""Told the name of a step and the share of it that is done, 0 to 1."""
BLOCK = 4096
"""Points read at a time."""
NORM_TOLERANCE = {4: 1e-4, 2: 2e-2}
"""How far the squared length of a row stored for cosine may be from one, by bytes per element."""
SHORT = 1.2e-7
"""Rows with a smaller squared length are stored as they are."""


def check(path: Path, level: checksums.Level = "full", on_progress: OnProgress = None) -> list[str]:
    """What is wrong with a shard on disk, one line each; nothing is changed.

    Args:
        path: the shard, which may be open elsewhere.
        level: ``"full"`` reads every byte and every point, ``"fast"`` sizes, small files and counts.
        on_progress: see :data:`OnProgress`; the steps are ``"checksums"``, ``"points"``, ``"indexes"``, ``"graphs"``.

    Raises:
        StorageError: there is no shard, or the system refuses to read it.
    """
    require_level(level)
    progress = _Progress(telling(on_progress))
    return passing_on(lambda: _checked(path, level, progress))


def _checked(path: Path, level: checksums.Level, progress: _Progress) -> list[str]:
    try:
        return _check(path, level, progress)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot check {path}: {error.strerror} ({error.filename})") from error


class _Progress:
    """Tells how far a step is; with how many things of how many are done."""

    __slots__ = ("_told",)

    def __init__(self, told: OnProgress) -> None:
        self._told = told

    def of(self, step: str, before: int = 0, total: int | None = None) -> Callable[[int, int], None]:
        """What a step calls.

        Args:
            step: its name.
            before: how many things were done before it, of those in ``total``.
            total: of all, by default those the step knows of.
        """
        told = self._told
        if told is None:
            return lambda done, of: None
        return lambda done, of: told(step, (before + done) / max(of if total is None else total, 1))


def _check(path: Path, level: checksums.Level, progress: _Progress) -> list[str]:
    if not path.is_dir():
        raise StorageError(f"cannot check: {absent(path)}")
    odd = [f"{path / name}: {ODD}" for name in odd_entries(path)]
    if odd:
        return odd
    if not (path / configs.FILE).exists() and not segment_names(path):
        raise StorageError(f"cannot check: {path} holds no shard")
    table = checksums.read(path, seal.seal_of(path))
    found = [
        f"{path / name}: {reason}"
        for name, reason in checksums.differences(path, table, level, progress.of("checksums"))
    ]
    if level == "full":
        found += [f"{reason}; it is made anew when it is needed" for _, reason in kept_codes.damaged(path)]
    found += _log_damage(path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            replica = Replica(path, verify=None)
        except EdgeShardError as error:
            text = str(error)
            return found if text in found else [*found, text]
    try:
        told = [str(warning.message) for warning in heard] + findings(replica.store.segments, level, progress)
        found += [line.replace(str(replica.root), str(path)) for line in told]
    finally:
        replica.store.release()
        replica.discard()
    return found


def require_level(level: str) -> None:
    """Refuse what is not a level.

    Raises:
        ValidationError: it is neither ``"fast"`` nor ``"full"``.
    """
    if level not in ("fast", "full"):
        raise ValidationError(f"level must be 'fast' or 'full', not {quoted(level)}")


def findings(segments: Sequence[Segment], level: checksums.Level, progress: _Progress | None = None) -> list[str]:
    """What is wrong with open segments, one line each."""
    progress = progress or _Progress(None)
    found: list[str] = []
    seen: dict[Any, str] = {}
    points, done = [int(np.count_nonzero(segment.live_mask())) for segment in segments], 0
    for number, segment in enumerate(segments):
        try:
            found += _counts(segment)
            if level == "full":
                found += _points(segment, seen, progress.of("points", done, sum(points)))
                found += wrong_indexes(segment, progress.of("indexes", done, sum(points)))
                found += [reason for _, reason in damaged_graphs(segment)]
                found += [reason for _, reason in damaged_lists(segment)]
                progress.of("graphs")(number + 1, len(segments))
        except EdgeShardError as error:
            found.append(str(error))
        done += points[number]
    return found


def _log_damage(path: Path) -> list[str]:
    directory = path / "wal"
    if not directory.is_dir():
        return []
    try:
        wal = Wal.open(directory, read_only=True, on_damage="skip")
    except EdgeShardError as error:
        return [str(error)]
    damage = [str(damage.error()) for damage in wal.damage]
    wal.close()
    return damage


def _counts(segment: Segment) -> Iterator[str]:
    """Payloads of no point; how many vectors there are is compared when a segment is opened."""
    if segment.payload.count > segment.count:
        extra = np.arange(segment.count, segment.payload.count, dtype=np.uint32)
        orphans = int(np.count_nonzero(segment.payload.present(extra)))
        if orphans:
            yield f"{segment.path}: {orphans} payloads belong to no point"


def _points(segment: Segment, seen: dict[Any, str], progress: Callable[[int, int], None]) -> Iterator[str]:
    """Points that cannot be read, or live twice, and vectors that are not what a storage can hold."""
    live = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    odd: set[tuple[str, str]] = set()
    for start in range(0, len(live), BLOCK):
        offsets = live[start : start + BLOCK]
        for name, field in segment.fields.items():
            wrong = _wrong_vectors(field, offsets)
            if wrong and (name, wrong) not in odd:
                odd.add((name, wrong))
                yield f"{segment.path}: vector {name!r} {wrong}"
        ids = segment.ids.ids_of(offsets)
        for point_id, raw in zip(ids, segment.payloads(offsets), strict=True):
            try:
                decode_payload(raw)
            except CorruptedError as error:
                yield f"{segment.path}: the payload of point {point_id} is damaged: {error.reason}"
            if point_id in seen:
                yield f"{segment.path}: point {point_id} lives in {seen[point_id]} too"
            seen[point_id] = segment.name
        progress(start + len(offsets), len(live))


def _wrong_vectors(field: Field, offsets: Offsets) -> str:
    """What is wrong with some vectors of these points; empty if nothing is."""
    column = field.stored(offsets)
    rows = getattr(column, "rows", getattr(column, "values", None))
    if rows is None or rows.dtype.kind != "f":
        return ""
    if isinstance(column, DenseColumn) and column.present is not None:
        rows = rows[column.present]
    if not bool(np.isfinite(rows).all()):
        return "holds a number that is not finite"
    spec = field.spec
    if spec.kind == "sparse" or spec.distance != COSINE:
        return ""
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float32, casting="unsafe")
    unit = np.abs(squares - 1) <= NORM_TOLERANCE[rows.dtype.itemsize]
    return "" if bool((unit | (squares < SHORT)).all()) else "holds a row whose length is not one, under cosine"
