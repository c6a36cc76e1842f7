"""Payload index files over the life of a shard: made, replaced, removed, damaged and rebuilt."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import msgspec
import numpy as np
import pytest
import qdrant_edge
import zstandard
from indexed_shard import answers, make_shard
from joined import joined
from small_shards import copy_shard

import edgeshard
from edgeshard import _native
from edgeshard.index.payload.build_geo import geohashes
from edgeshard.index.payload.build_parts import plane_frame
from edgeshard.index.payload.schema import directory_name
from edgeshard.index.payload.uuids import parse

UPDATE = edgeshard.UpdateOperation
TYPES = edgeshard.PayloadSchemaType


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A shard with an index of every kind; do not change it."""
    path = tmp_path_factory.mktemp("made") / "shard"
    make_shard(edgeshard, path, points=200)
    return path


@pytest.fixture
def copy(made, tmp_path):
    """A copy without checksums, as another engine leaves it: what the indexes themselves notice is tested here."""
    shard = copy_shard(made, tmp_path / "shard")
    (shard / "edgeshard.checksums").unlink(missing_ok=True)
    return shard


def index_root(shard: Path) -> Path:
    (root,) = shard.glob("segments/*/payload_index")
    return root


def said_by(mod, shard: Path):
    opened = mod.EdgeShard.load(str(shard))
    found = answers(mod, opened)
    opened.close()
    return found


@pytest.fixture(scope="module")
def right(made, tmp_path_factory):
    return said_by(qdrant_edge, copy_shard(made, tmp_path_factory.mktemp("right") / "shard"))


@pytest.mark.parametrize("suffix", ["map", "numeric", "text", "bool", "null", "elements"])
def test_missing_directory_is_rebuilt(copy, right, suffix):
    for directory in index_root(copy).glob(f"*-{suffix}"):
        shutil.rmtree(directory)
    with pytest.warns(RuntimeWarning, match="is rebuilt from the payloads"):
        shard = edgeshard.EdgeShard.load(str(copy))
    shard.flush()
    shard.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edgeshard.EdgeShard.load(str(copy)).close()
    assert said_by(qdrant_edge, copy) == right


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64])
def test_unreadable_store_is_rebuilt_when_it_changes(copy, right, damage):
    damaged = [*index_root(copy).glob("*-map/config.json"), *index_root(copy).glob("*-text/tracker.dat")]
    assert len(damaged) > 5
    for file in damaged:
        file.write_bytes(damage)
    shard = edgeshard.EdgeShard.load(str(copy))
    kept = shard.retrieve([0, 1, 2, 3, 4, 5], True)[0]
    shard.update(UPDATE.overwrite_payload([kept.id], kept.payload))
    with pytest.warns(RuntimeWarning, match="is rebuilt from the payloads"):
        shard.flush()
    shard.close()
    assert said_by(qdrant_edge, copy) == right


def test_broken_configuration_is_reported(copy):
    (index_root(copy) / "config.json").write_bytes(b"{")
    with pytest.raises(edgeshard.errors.CorruptedError, match="not a payload index configuration"):
        edgeshard.EdgeShard.load(str(copy))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("tokenizer", "ward"),
        ("min_token_len", "x"),
        ("stopwords", 3),
        ("stemmer", {"type": "snowball", "language": "klingon"}),
        ("phrase_matching", "yes"),
        ("memory", 1),
    ],
)
def test_options_there_are_not_are_reported(copy, option, value):
    file = index_root(copy) / "config.json"
    config = json.loads(file.read_bytes())
    config["indexed_fields"]["t"] = {"type": "text", option: value}
    file.write_text(json.dumps(config))
    with pytest.raises(edgeshard.errors.CorruptedError, match="not a payload index configuration"):
        edgeshard.EdgeShard.load(str(copy))


def test_field_of_another_type_gets_new_files(copy):
    shard = edgeshard.EdgeShard.load(str(copy))
    shard.update(UPDATE.create_field_index("f", TYPES.Keyword))
    shard.update(UPDATE.create_field_index("i", TYPES.Float))
    shard.update(UPDATE.delete_field_index("t"))
    names = {entry.name for entry in index_root(copy).iterdir()}
    assert directory_name("f", "map") in names
    assert directory_name("f", "numeric") not in names
    assert not any(name.startswith(directory_name("t", "")[:24]) for name in names)
    shard.close()
    other = qdrant_edge.EdgeShard.load(str(copy))
    request = qdrant_edge.ScrollRequest(limit=5, order_by=qdrant_edge.OrderBy("i"))
    assert all(isinstance(record.order_value, float) for record in other.scroll(request)[0])
    assert "t" not in other.info().payload_schema
    other.close()


def test_unflushed_changes_do_not_touch_the_files(copy):
    root = index_root(copy)
    before = {path: path.read_bytes() for path in root.rglob("page_0.dat")}
    shard = edgeshard.EdgeShard.load(str(copy))
    shard.update(UPDATE.set_payload([shard.scroll(edgeshard.ScrollRequest(limit=1))[0][0].id], {"kw": "fresh"}))
    assert {path: path.read_bytes() for path in before} == before
    found = shard.facet(edgeshard.FacetRequest("kw", limit=1000))
    assert "fresh" in {hit.value for hit in found.hits}
    shard.close()


def test_configuration_is_written_as_the_other_engine_writes_it(made, tmp_path):
    make_shard(qdrant_edge, tmp_path / "theirs", points=20)
    ours, theirs = (
        msgspec.json.decode((index_root(path) / "config.json").read_bytes()) for path in (made, tmp_path / "theirs")
    )
    assert ours == theirs
    assert {field: list(stored) for field, stored in ours["indexed_fields"].items()} == {
        field: list(stored) for field, stored in theirs["indexed_fields"].items()
    }


# --- pieces --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000, 20_000])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_map_file_finds_every_key_and_no_other(kind, count):
    rng = np.random.default_rng(count)
    if kind == 0:
        keys = [f"key {number}".encode() * (number % 5) + str(number).encode() for number in range(count)]
    else:
        keys = [rng.bytes(8 * kind) for _ in range(count)]
    lists = [rng.integers(0, 1000, number % 4, np.uint32) for number in range(count)]
    bounds = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    values = np.concatenate([*lists, np.zeros(0, np.uint32)]).astype(np.uint32)
    file = _native.build_map(kind, *joined(keys), bounds, values)
    assert not file.tobytes()[24 + 1 :] or len(file) >= 4096
    found = _native.KeyMap(file)
    assert (len(found), found.kind) == (count, kind)
    for key, numbers in zip(keys, lists, strict=True):
        assert found.find(key).tolist() == numbers.tolist()
    assert all(not len(found.find(key[::-1] + b"?")) for key in keys[:100])
    assert {found.entry(bucket)[0] for bucket in range(count)} == set(keys)


def test_damaged_map_files_are_refused_or_answer_within_bounds():
    keys = [f"key {number}".encode() for number in range(300)]
    ones = np.arange(301, dtype=np.int64)
    whole = _native.build_map(0, *joined(keys), ones, np.arange(300, dtype=np.uint32))
    rng = np.random.default_rng(1)
    for _ in range(300):
        damaged = whole.copy()
        places = rng.integers(0, len(whole), 3)
        if rng.random() < 0.5:
            places = rng.integers(0, 100, 3)
        damaged[places] = rng.integers(0, 256, 3)
        damaged = np.ascontiguousarray(damaged[: rng.integers(0, len(whole) + 1)] if rng.random() < 0.3 else damaged)
        try:
            found = _native.KeyMap(damaged)
            for key in keys:
                found.find(key)
        except ValueError:
            continue


@pytest.mark.parametrize("values", [[], [5], [0, 1, 300, 70_000, 2**32 - 1], list(range(100_000))])
def test_plane_frame_is_zstd(values):
    array = np.array(values, np.uint32)
    raw = zstandard.ZstdDecompressor().decompress(plane_frame(array), max_output_size=1 << 22)
    assert raw == array.view(np.uint8).reshape(-1, 4).T.tobytes()


def test_geohash_of_known_places():
    alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"
    for lon, lat, wanted in ((-5.6, 42.6, "ezs42e44yx96"), (13.361389, 38.115556, "sqc8b49rny00"[:8])):
        packed = int(geohashes(np.array([[lon, lat]]))[0])
        text = "".join(alphabet[packed >> (59 - 5 * place) & 31] for place in range(12))
        assert text.startswith(wanted)
    corners = geohashes(np.array([[180.0, 90.0], [-180.0, -90.0]]))
    assert corners[0] == corners[1] == 12


def test_spellings_of_uuids():
    plain = "12345678-90AB-cdef-0000-000000000001"
    texts = [plain, plain.replace("-", ""), f"urn:uuid:{plain}", f"{{{plain}}}", plain[:-1], f"[{plain}]", "", "x" * 36]
    words, valid = parse(texts)
    assert valid.tolist() == [True] * 4 + [False] * 4
    assert (words[:4] == words[0]).all()
    assert int(words[0, 1]) << 64 | int(words[0, 0]) == 0x1234567890ABCDEF0000000000000001
