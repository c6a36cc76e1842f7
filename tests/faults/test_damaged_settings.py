"""Settings that are JSON but not what they should be: a clean error, or a shard that works.

One value of one file is changed at a time. There are no checksums, as in shards of other engines.
"""

from __future__ import annotations

import json
import random
import traceback
import warnings
from collections import Counter
from pathlib import Path

import pytest
from campaign import seeds, tell
from changed_values import spoilt
from damaged_shards import RestoredCopy, answers, make_shard

import edgeshard
from edgeshard import EdgeShard, EdgeShardError

MATCHES = (edgeshard.MatchValue("red"), edgeshard.MatchValue(3), edgeshard.MatchText("one two"))
UPDATE = edgeshard.UpdateOperation


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
    value, what = spoilt(json.loads((clean / file).read_bytes()), rng, more=(2**70,))
    case.restore()
    (target / file).write_text(json.dumps(value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(target)
    except EdgeShardError:
        return "refused"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{file} {what}: {type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}"
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
