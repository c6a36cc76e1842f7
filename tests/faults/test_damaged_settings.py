"""Settings that are JSON but not what they should be: a clean error, or a shard that works.

Bytes changed at random seldom leave JSON that can be read, so values are changed here: one of one file at a time, to
something of another type or out of all bounds, or left out. There are no checksums, as in shards of other engines.
"""

from __future__ import annotations

import copy
import json
import random
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from campaign import seeds, tell
from damaged_shards import RestoredCopy, answers, make_shard

import edgeshard
from edgeshard import EdgeShard, EdgeShardError

ODD = (None, "Zzz", -1, 3.5, True, [], {}, 2**40, 0, [1], {"a": 1}, 2**70, "\x00", 1e308, -(2**63))
REMOVED = object()
MATCHES = (edgeshard.MatchValue("red"), edgeshard.MatchValue(3), edgeshard.MatchText("one two"))
UPDATE = edgeshard.UpdateOperation

Step = str | int


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where values are in a value, itself included; of lists the first few."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 3)):
            yield from places(value[number], (*path, number))


def changed(value: Any, path: tuple[Step, ...], new: Any) -> Any:
    """A copy with another value at a place, or without it."""
    if not path:
        return {} if new is REMOVED else new
    result = inner = copy.deepcopy(value)
    for step in path[:-1]:
        inner = inner[step]
    if new is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return result


def use(path: Path) -> None:
    """Load a shard and do with it whatever needs its settings."""
    with EdgeShard.load(path) as shard:
        answers(edgeshard, shard)
        for field in shard.info().payload_schema:
            for match in MATCHES:
                condition = edgeshard.FieldCondition(key=field, match=match)
                shard.count(edgeshard.CountRequest(filter=edgeshard.Filter(must=[condition])))
        shard.update(UPDATE.set_payload([1, 401], {"n": 5, "k": "blue", "t": "one five"}))
        shard.update(UPDATE.delete_points([2, 402]))
        shard.flush()
        shard.snapshot_manifest()
        shard.verify("fast")
        shard.optimize()


def spoil(clean: Path, case: RestoredCopy, target: Path, rng: random.Random) -> str:
    """Change one value of one file and use the shard: ``works``, ``refused``, or what was raised and where."""
    file = rng.choice(sorted(path.relative_to(clean) for path in clean.rglob("*.json")))
    value = json.loads((clean / file).read_bytes())
    path, new = rng.choice(list(places(value))), rng.choice((*ODD, REMOVED))
    case.restore()
    (target / file).write_text(json.dumps(changed(value, path, new)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(target)
    except EdgeShardError:
        return "refused"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        shown = "removed" if new is REMOVED else repr(new)
        return f"{file} {path} {shown}: {type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}"
    return "works"


def campaign(folder: Path, numbers: range) -> Counter[str]:
    """Many cases."""
    make_shard(edgeshard, folder / "clean", points=60, rich=True)
    (folder / "clean" / "edgeshard.checksums").unlink()
    case = RestoredCopy(folder / "clean", folder / "case")
    return Counter(spoil(folder / "clean", case, folder / "case", random.Random(number)) for number in numbers)


def test_settings_changed(tmp_path: Path) -> None:
    outcomes = campaign(tmp_path, range(16))
    assert set(outcomes) == {"works", "refused"}, "\n".join(outcomes)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_settings_changed(tmp_path: Path) -> None:
    outcomes = campaign(tmp_path, seeds(100, 1000))
    tell("settings changed", dict(outcomes))
    assert set(outcomes) == {"works", "refused"}, "\n".join(outcomes)
