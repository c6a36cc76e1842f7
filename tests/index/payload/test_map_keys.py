"""All keys of map files: prefixes, parts, and values in order; and the file that lists texts in order."""

import itertools
import random
import struct

import numpy as np
import pytest
from joined import joined

from edgeshard import _native
from edgeshard.storage.runs import bounds_of


def random_texts(rng, count):
    alphabet = ("a", "b", "k1", "ünï", "\0", "z" * 300)
    return sorted({"".join(rng.choices(alphabet, k=rng.randint(0, 6))).encode() for _ in range(count)})


def build(keys, holders, kind=0):
    """The bytes of a map file and of its prefix index."""
    bounds = bounds_of([len(some) for some in holders])
    values = np.array([point for some in holders for point in some], np.uint32)
    counts = np.diff(bounds).astype(np.uint32)
    prefixes = _native.build_prefix_index(*joined(keys), counts) if kind == 0 else None
    return _native.build_map(kind, *joined(keys), bounds, values), prefixes


@pytest.mark.parametrize("count", [0, 1, 50, 3000])
def test_prefixes_and_parts(count):
    rng, points = random.Random(count), 200
    keys = random_texts(rng, count)
    holders = [sorted(rng.sample(range(points), rng.randint(1, 5))) for _ in keys]
    file, prefixes = build(keys, holders)
    keymap, index = _native.KeyMap(file), _native.PrefixFile(prefixes)
    assert len(index) == len(keys)

    def marked(passes):
        mask = np.zeros(points, np.bool_)
        for key, some in zip(keys, holders, strict=True):
            if passes(key):
                mask[some] = True
        return mask.tolist()

    for wanted in [b"", b"a", b"zzz", b"\xff", "ü".encode(), b"k1k1", *rng.sample(keys, min(len(keys), 20))]:
        starting = marked(lambda key, wanted=wanted: key.startswith(wanted))
        assert keymap.with_prefix(index, wanted, points).tolist() == starting, wanted
        assert keymap.matching(wanted, False, points).tolist() == starting, wanted
        assert keymap.matching(wanted, True, points).tolist() == marked(lambda key, wanted=wanted: wanted in key)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_groups_are_in_order_of_keys(kind):
    rng = random.Random(kind)
    width = 8 * kind
    keys = random_texts(rng, 300) if kind == 0 else sorted({rng.randbytes(width) for _ in range(300)})
    holders = [rng.sample(range(50), rng.randint(1, 4)) for _ in keys]
    data, bounds, owners, numbers = _native.KeyMap(build(keys, holders, kind)[0]).groups(50)
    raw = data.tobytes()
    found = [raw[start:end] for start, end in itertools.pairwise(bounds)]
    ordered = keys if kind == 0 else sorted(keys, key=lambda key: int.from_bytes(key, "little", signed=kind == 1))
    assert found == ordered
    pairs = {(found[number], owner) for number, owner in zip(numbers.tolist(), owners.tolist(), strict=True)}
    assert pairs == {(key, owner) for key, some in zip(keys, holders, strict=True) for owner in some}


def test_damage_is_told():
    rng = random.Random(1)
    keys = random_texts(rng, 200)
    file, prefixes = build(keys, [[number % 10] for number in range(len(keys))])
    keymap = _native.KeyMap(file)
    with pytest.raises(ValueError, match="does not have"):
        keymap.groups(5)
    with pytest.raises(ValueError, match="does not have"):
        keymap.matching(b"", False, 5)
    told = 0
    for _ in range(300):
        damaged = prefixes.copy()
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        damaged = damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])]
        try:
            keymap.with_prefix(_native.PrefixFile(damaged), b"", 10)
        except ValueError:
            told += 1
    assert told > 200


def test_entries_that_overlap_take_no_memory():
    """Many buckets that all name one long entry would ask for the square of the file's size."""
    keys = sorted(f"key {number}".encode() for number in range(2000))
    file, _ = build(keys, [range(2000) if number == 0 else [1] for number in range(len(keys))])
    keymap = _native.KeyMap(file)
    longest = next(bucket for bucket in range(len(keys)) if len(keymap.entry(bucket)[1]) == 2000)
    start = int(file[8:16].view("<u8")[0])
    damaged = file.copy()
    buckets = damaged[start : start + 8 * len(keys)].view("<u8")
    buckets[:] = buckets[longest]
    shared = _native.KeyMap(damaged)
    with pytest.raises(ValueError, match="overlap"):
        shared.groups(2000)
    with pytest.raises(ValueError, match="overlap"):
        shared.matching(b"key", True, 2000)


def test_a_key_that_is_listed_again_and_again_takes_no_time():
    file, prefixes = build([b"key"], [range(1000)])
    listed = b"".join(struct.pack("<III", 3 if number else 0, 0 if number else 3, 1000) + b"key"[: 0 if number else 3]
                      for number in range(2000))  # fmt: skip
    damaged = bytearray(prefixes.tobytes()[: 40 + 24 + 3]) + listed
    struct.pack_into("<Q", damaged, 16, 2000)
    struct.pack_into("<II", damaged, 40, len(listed), 2000)
    index = _native.PrefixFile(np.frombuffer(bytes(damaged), np.uint8))
    with pytest.raises(ValueError, match="twice"):
        _native.KeyMap(file).with_prefix(index, b"k", 1000)
