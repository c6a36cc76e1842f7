"""A process that opens damaged copies of a shard and says what came of each.

Usage: damaged_shards.py ENGINE SHARD SCRATCH FIRST COUNT. For every case one line ``number outcome detail`` is printed:

* ``same``: loads with the right contents and answers; ``rebuilt``: the same, with a warning;
* ``refused``: a clean error naming a file of the case; ``unnamed``: a clean error that names none;
* ``silent``: loads with other contents or answers, without a word; ``noisy``: the same, with a warning;
* ``raised``: an exception that is none of the engine's.

With ``EDGESHARD_TEST_VERIFY=1`` every checksum is compared, with ``EDGESHARD_TEST_BARE=1`` there are none, as in a
shard that another engine wrote. A crash, a hang or a memory limit is seen by the parent.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from indexed_shard import random_payload, schemas
from workload import same

KINDS = ("cut", "zero", "flip", "noise", "remove", "empty", "grow", "swap")


def make_shard(mod: Any, path: Path, *, points: int = 300, rich: bool = False, wal: bool = True) -> None:
    """A shard of an immutable segment with graph and indexes, and an appendable one.

    Args:
        mod: the engine that writes it.
        path: where.
        points: in each segment.
        rich: with codes of every quantization and indexes of every kind, nested ones too.
        wal: with a log.
    """
    rng = random.Random(5)
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=8 if points >= 300 else 1)
    vectors = dense_vectors(mod) if rich else {"d": mod.EdgeVectorParams(size=16, distance=mod.Distance.Cosine)}
    comparator = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
    vectors["m"] = mod.EdgeVectorParams(size=4, distance=mod.Distance.Dot, multivector_config=comparator)
    settings = {} if wal else {"wal_enabled": False}
    sparse = {"s": mod.EdgeSparseVectorParams()}
    config = mod.EdgeConfig(vectors=vectors, sparse_vectors=sparse, optimizers=optimizers, **settings)
    shard = mod.EdgeShard.create(str(path) if mod.__name__ != "edgeshard" else path, config)
    types = mod.PayloadSchemaType
    indexes = {"n": types.Integer, "k": types.Keyword, "t": types.Text, "f": types.Float}
    for field, schema in {**indexes, **(schemas(mod) if rich else {})}.items():
        shard.update(mod.UpdateOperation.create_field_index(field, schema))
    for stage in range(2):
        made = [point(mod, rng, stage * 400 + i, [n for n in vectors if n != "m"], rich) for i in range(points)]
        shard.update(mod.UpdateOperation.upsert_points(made))
        if not stage:
            shard.optimize()
            shard.update(mod.UpdateOperation.delete_points([3, 5, 7]))
    shard.close()


def dense_vectors(mod: Any) -> dict[str, Any]:
    """A vector of 16 dimensions with each kind of codes, and in each type of numbers."""
    codes = {
        "scalar": mod.ScalarQuantizationConfig(mod.ScalarType.Int8),
        "binary": mod.BinaryQuantizationConfig(),
        "product": mod.ProductQuantizationConfig(mod.CompressionRatio.X16),
        "turbo": mod.TurboQuantQuantizationConfig(),
    }
    types = mod.VectorStorageDatatype
    vectors = {"d": mod.EdgeVectorParams(size=16, distance=mod.Distance.Cosine)}
    for name, quantization in codes.items():
        vectors[name] = mod.EdgeVectorParams(size=16, distance=mod.Distance.Cosine, quantization_config=quantization)
    vectors["half"] = mod.EdgeVectorParams(size=16, distance=mod.Distance.Euclid, datatype=types.Float16)
    vectors["byte"] = mod.EdgeVectorParams(size=16, distance=mod.Distance.Dot, datatype=types.Uint8)
    return vectors


def point(mod: Any, rng: random.Random, number: int, dense: list[str], rich: bool) -> Any:
    """A point with all vectors and some payload."""
    vectors: dict[str, Any] = {
        name: [rng.uniform(-1, 1) if name != "byte" else float(rng.randint(0, 255)) for _ in range(16)]
        for name in dense
    }
    vectors["m"] = [[rng.uniform(-1, 1) for _ in range(4)] for _ in range(rng.randint(1, 3))]
    vectors["s"] = mod.SparseVector(sorted(rng.sample(range(40), 4)), [rng.uniform(0.1, 2) for _ in range(4)])
    payload = {
        "n": rng.randint(0, 9),
        "k": rng.choice(["red", "green", "blue"]),
        "t": " ".join(rng.choices(["one", "two", "three", "four"], k=3)),
        "f": rng.uniform(-5, 5),
        "l": rng.randbytes(rng.choice([2, 200])).hex(),
    }
    return mod.Point(number, vectors, {**payload, **(random_payload(rng) if rich else {}), **payload})


def files_of(shard: Path) -> list[Path]:
    """All files with content, relative, in order."""
    found = [path.relative_to(shard) for path in shard.rglob("*") if path.is_file() and path.stat().st_size]
    return sorted(path for path in found if not path.name.startswith(".edgeshard"))


def group_of(name: Path) -> tuple[str, ...]:
    """Files of one group are damaged as often as those of another, however many they are."""
    parts = name.parts
    if parts[0] != "segments":
        return parts[:1]
    if parts[2] == "payload_index" and len(parts) > 4:
        return parts[1], parts[2], parts[3].split("-", 2)[-1], parts[-1]
    return parts[1], *parts[2:]


def damage(shard: Path, number: int) -> tuple[Path, str]:
    """Damage one file; which one, and how."""
    rng = random.Random(number)
    names = files_of(shard)
    groups = sorted({group_of(name) for name in names})
    group = groups[number % len(groups)]
    name, kind = rng.choice([name for name in names if group_of(name) == group]), rng.choice(KINDS)
    path = shard / name
    size = path.stat().st_size
    used = min(size, max(1, path.stat().st_blocks * 512)) if rng.random() < 0.8 else size
    at = rng.randrange(used)
    if kind == "remove":
        path.unlink()
    elif kind in ("cut", "empty"):
        os.truncate(path, 0 if kind == "empty" else at)
    elif kind == "grow":
        with open(path, "ab") as file:
            file.write(rng.randbytes(rng.randint(1, 5000)))
    elif kind == "swap":
        other = shard / rng.choice(names)
        shutil.copyfile(other, path) if other != path else path.unlink()
    else:
        with open(path, "r+b") as file:
            file.seek(at)
            length = 1 if kind == "flip" else min(size - at, rng.choice([1, 8, 100, 4096]))
            old = file.read(length)
            new = {"zero": bytes(length), "flip": bytes([old[0] ^ 1 << rng.randrange(8)])}.get(kind)
            file.seek(at)
            file.write(rng.randbytes(length) if new is None else new)
    return name, kind


def answers(mod: Any, shard: Any) -> list[Any]:
    """Everything a shard says: points, counts, searches."""
    with warnings.catch_warnings():
        if hasattr(mod, "UnindexedScanWarning"):
            warnings.simplefilter("ignore", mod.UnindexedScanWarning)  # says nothing about damage
        return all_answers(mod, shard)


def all_answers(mod: Any, shard: Any) -> list[Any]:
    """See :func:`answers`."""
    points, offset, result = {}, None, []
    while True:
        request = mod.ScrollRequest(offset=offset, limit=100, with_payload=True, with_vector=True)
        records, offset = shard.scroll(request)
        for record in records:
            vector = {name: plain(part) for name, part in record.vector.items()}
            points[str(record.id)] = (vector, record.payload)
        if offset is None:
            break
    result.append(points)
    for key, value in (("n", 3), ("k", "red"), ("k", "green")):
        match = mod.FieldCondition(key=key, match=mod.MatchValue(value))
        result.append(shard.count(mod.CountRequest(filter=mod.Filter(must=[match]), exact=True)))
    row = [0.1 * (1 + i % 5) for i in range(16)]
    dense = sorted({name for vectors, _ in points.values() for name in vectors} - {"m", "s"}) or ["d"]
    sparse = mod.SparseVector([1, 5, 9], [1.0, 0.5, 2.0])
    for using, query in (*((name, row) for name in dense), ("m", [[0.3] * 4]), ("s", sparse)):
        request = mod.QueryRequest(query=mod.Query.Nearest(query, using), limit=5, params=mod.SearchParams(exact=True))
        result.append([(str(hit.id), round(hit.score, 3)) for hit in shard.query(request)])
        request = mod.QueryRequest(query=mod.Query.Nearest(query, using), limit=5)
        result.append(len(shard.query(request)))
    return result


def plain(vector: Any) -> Any:
    return (list(vector.indices), list(vector.values)) if hasattr(vector, "indices") else vector


def attempt(mod: Any, path: Path, expected: list[Any], verify: bool) -> tuple[str, str]:
    """Open a damaged shard, read everything and close it; the outcome and a detail."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        shard = None
        try:
            shard = mod.EdgeShard.load(path, verify="full") if verify else mod.EdgeShard.load(path)
            told = answers(mod, shard)
            shard.close()
        except Exception as error:
            own = getattr(mod, "EdgeShardError", Exception)
            if not isinstance(error, own):
                return "raised", f"{type(error).__name__}: {error}"
            if shard is not None:
                with contextlib.suppress(own):
                    shard.close()
            return "refused", str(error)
        warned = "; ".join(str(warning.message) for warning in heard)
    if same(told, expected):
        return ("rebuilt", warned) if warned else ("same", "")
    which = [number for number, (one, other) in enumerate(zip(told, expected, strict=False)) if not same(one, other)]
    return ("noisy", warned) if warned else ("silent", f"answers {which} differ")


def main() -> None:
    mod = importlib.import_module(sys.argv[1])
    source, scratch = Path(sys.argv[2]), Path(sys.argv[3])
    verify = mod.__name__ == "edgeshard" and os.environ.get("EDGESHARD_TEST_VERIFY") == "1"
    bare = os.environ.get("EDGESHARD_TEST_BARE") == "1"
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if mod.__name__ == "edgeshard":
        wait_for_no_sync()
    clean = scratch / "clean"
    copy(source, clean)
    if bare:
        (clean / "edgeshard.checksums").unlink(missing_ok=True)
    copied = RestoredCopy(clean, case := scratch / "case")
    shard = mod.EdgeShard.load(case)
    expected = answers(mod, shard)
    shard.close()
    for number in range(int(sys.argv[4]), int(sys.argv[4]) + int(sys.argv[5])):
        copied.restore()
        name, kind = damage(case, number)
        print("case", number, kind, name, flush=True)
        signal.alarm(60)
        outcome, detail = attempt(mod, case, expected, verify)
        signal.alarm(0)
        if outcome == "refused" and not any(part in detail for part in (name.name, str(name.parent))):
            outcome = "unnamed"
        print("done", number, outcome, detail.replace("\n", " ").replace(str(scratch), ""), flush=True)


def wait_for_no_sync() -> None:
    """Nothing dies in the processes that judge damage, so that contents need not reach the disk."""
    from simulated_disk import UnsyncedDisk

    from edgeshard.storage import files

    files.use_disk(UnsyncedDisk())


Stamp = tuple[int, int, int]


class RestoredCopy:
    """A copy of a shard that is brought back to what it was, file by file; faster than one copy for each case.

    Args:
        source: not changed from now on.
        path: where to; made.
    """

    def __init__(self, source: Path, path: Path) -> None:
        self._source, self._path = os.fspath(source), os.fspath(path)
        copy(source, path)
        self._known: dict[str, Stamp | None] = {name: self._age(name) for name in self._now()}

    def _age(self, name: str) -> Stamp | None:
        """Set the times of a file back, so that any change is seen however soon it comes; its stamp."""
        path = f"{self._path}/{name}"
        if os.path.isdir(path):
            return None
        os.utime(path, (0, 0))
        return stamp_of(path)

    def _now(self) -> dict[str, Stamp | None]:
        """Inode, size and time of every file, None of a folder; a folder before what is in it."""
        found: dict[str, Stamp | None] = {}
        for folder, folders, names in os.walk(self._path):
            inside = folder[len(self._path) + 1 :]
            found.update((os.path.join(inside, name), None) for name in folders)
            found.update((os.path.join(inside, name), stamp_of(f"{folder}/{name}")) for name in names)
        return found

    def restore(self) -> None:
        """Bring back what was changed or removed, remove what is new."""
        now = self._now()
        changed = [name for name in now if name not in self._known or now[name] != self._known[name]]
        for name in reversed(changed):
            (os.rmdir if now[name] is None else os.unlink)(f"{self._path}/{name}")
        for name, stamp in self._known.items():
            if name in now and now[name] == stamp:
                continue
            if stamp is None:
                os.mkdir(f"{self._path}/{name}")
                continue
            copy_file(f"{self._source}/{name}", f"{self._path}/{name}")
            self._known[name] = self._age(name)


def stamp_of(path: str) -> Stamp:
    """What differs once a file was written to or replaced."""
    status = os.lstat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def copy(source: Path, target: Path) -> None:
    """Copy a shard, leaving holes as holes."""
    for path in source.rglob("*"):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        copy_file(path, to)


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy a file, leaving holes as holes."""
    with open(source, "rb") as old, open(target, "wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                stop = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            except OSError:
                break
            os.pwrite(new.fileno(), os.pread(old.fileno(), stop - at, at), at)
            at = stop
        new.truncate(size)


if __name__ == "__main__":
    main()
