"""Operations against the log of 0.9.0: every call logs what it logs there, and both directions replay."""

import contextlib
import functools
import json
import math
import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import qdrant_edge as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.models import config, enums, filters, geo, indexes, matches, points, updates, vectors
from edgeshard.models.operations import MultiBatch, SparseBatch, UpsertBatch, UpsertPoints
from edgeshard.models.schemas import schema_from_json, schema_to_json
from edgeshard.shard.operations import SyncPoints, SyncPointsRaw, UpsertRaw, decode, encode
from edgeshard.storage.wal import Wal

OURS = SimpleNamespace()
for module in (config, enums, filters, geo, indexes, matches, points, updates, vectors):
    vars(OURS).update({name: getattr(module, name) for name in module.__all__})
KEY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def conditions(m):
    """One of every condition, built with the classes of either module."""
    at, field = m.GeoPoint, m.FieldCondition
    ring = [at(0.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(0.0, 0.0)]
    return [
        field("k", match=m.MatchValue("v")),
        field("k", match=m.MatchValue(-5)),
        field("k", match=m.MatchText("two words")),
        field("k", match=m.MatchTextAny("t a")),
        field("k", match=m.MatchPhrase("p q")),
        field("k", match=m.MatchPrefix("pre")),
        field("k", match=m.MatchSubstring("sub")),
        field("k", match=m.MatchAny(["a", "b"])),
        field("k", match=m.MatchAny([1, 2])),
        field("k", match=m.MatchExcept(["a"])),
        field("k", range=m.RangeFloat(gte=1.0, lt=2.1)),
        field("k", range=m.RangeFloat()),
        field("k", range=m.RangeDateTime(gte="2024-01-01T00:00:00.123456Z", lt="2024-05-01")),
        field("k", geo_bounding_box=m.GeoBoundingBox(at(1.5, 2.0), at(3.1, 0.5))),
        field("k", geo_radius=m.GeoRadius(at(1.0, 2.0), 1000.0)),
        field("k", geo_polygon=m.GeoPolygon(ring, [ring])),
        field("k", geo_polygon=m.GeoPolygon(ring)),
        field("k", values_count=m.ValuesCount(lt=3, gte=1)),
        field("k", is_empty=True),
        field("k", is_null=False),
        field("a[].b", match=m.MatchValue(1), is_null=True),
        m.IsEmptyCondition("e.f"),
        m.IsNullCondition("n"),
        m.HasIdCondition({1, KEY}),
        m.HasVectorCondition("a"),
        m.SliceCondition(4, 1),
        m.NestedCondition("arr", m.Filter(must=[field("x", match=m.MatchValue(1))])),
        m.Filter(should=[m.HasVectorCondition("")]),
    ]


def schemas(m):
    languages = {m.Language.French, m.Language.English}
    return [
        *[
            getattr(m.PayloadSchemaType, n)
            for n in ("Keyword", "Integer", "Float", "Geo", "Text", "Bool", "Datetime", "Uuid")
        ],
        m.KeywordIndexParams(is_tenant=True, on_disk=False, enable_hnsw=True, prefix=True, memory=m.Memory.Cold),
        m.KeywordIndexParams(),
        m.IntegerIndexParams(lookup=True, range=False, is_principal=True),
        m.IntegerIndexParams(),
        m.FloatIndexParams(is_principal=True),
        m.FloatIndexParams(),
        m.GeoIndexParams(on_disk=True),
        m.BoolIndexParams(),
        m.DatetimeIndexParams(),
        m.UuidIndexParams(is_tenant=True),
        m.TextIndexParams(),
        m.TextIndexParams(
            tokenizer=m.TokenizerType.Prefix,
            min_token_len=2,
            max_token_len=5,
            lowercase=False,
            ascii_folding=True,
            phrase_matching=True,
            stopwords=m.Language.English,
            stemmer=m.SnowballParams(m.SnowballLanguage.German),
            scoring=True,
            on_disk=True,
            memory=m.Memory.Cached,
            enable_hnsw=False,
        ),
        m.TextIndexParams(stopwords=m.StopwordsSet(languages=languages, custom={"x"}), stemmer=m.DisabledStemmer()),
        m.TextIndexParams(stopwords=m.StopwordsSet(custom={"x", "y"})),
    ]


PAYLOAD = {"n": 1, "f": 2.5, "e": 1e-7, "s": 'é\n"', "l": [1, None, True, {"x": 2**63}], "neg": -(2**63)}


def operations(m):
    """One of every call; the point 1 exists."""
    u, some = m.UpdateOperation, m.Filter(must=[m.HasIdCondition({77})])
    point = m.Point(1, {"a": [1.0, 2.1], "s": m.SparseVector([9, 3], [0.5, 1.5])}, PAYLOAD)
    multi = m.MultiVectorConfig(m.MultiVectorComparator.MaxSim)
    return [
        u.upsert_points([point, m.Point(KEY, {}, {})]),
        u.upsert_points([m.Point(2, {"m": [[1.0, 2.0], [3.0, 4.0]]})]),
        u.upsert_points([point], update_mode=m.UpdateMode.InsertOnly),
        u.upsert_points([point], condition=some),
        u.upsert_points([point], m.Filter(), m.UpdateMode.UpdateOnly),
        u.update_vectors([m.PointVectors(1, {"a": [3, 4]})]),
        u.update_vectors([m.PointVectors(1, {"a": [3, 4]})], some),
        u.delete_vectors([1], ["s"]),
        u.delete_vectors_by_filter(some, ["a", "s"]),
        u.set_payload([1], {"a": 1}, "k.l"),
        u.set_payload([1], {"a": None}),
        u.set_payload_by_filter(some, {"a": 1}),
        u.overwrite_payload([1], {"b": 1}),
        u.overwrite_payload_by_filter(some, {"b": {}}),
        u.delete_payload([1], ["a.b", "c[]"]),
        u.delete_payload_by_filter(some, ["x"]),
        u.clear_payload([1]),
        u.clear_payload_by_filter(some),
        u.delete_points([3, KEY]),
        u.delete_points_by_filter(m.Filter(min_should=m.MinShould([m.HasVectorCondition("zz")], 1))),
        *[u.delete_points_by_filter(m.Filter(must_not=[c], must=[m.HasIdCondition({99})])) for c in conditions(m)],
        *[u.create_field_index("f", schema) for schema in schemas(m)],
        u.create_field_index("arr[].b", m.TextIndexParams(nested="arr")),
        u.delete_field_index("f"),
        u.create_dense_vector("d", 3, m.Distance.Cosine, multi, m.VectorStorageDatatype.Float16),
        u.create_dense_vector("d2", 3, m.Distance.Euclid),
        u.create_sparse_vector("s2", m.Modifier.Idf, m.VectorStorageDatatype.Uint8),
        u.create_sparse_vector("s3"),
        u.delete_vector_name("s3"),
    ]


def shard(path, **datatypes):
    params, multi = oracle.EdgeVectorParams, oracle.MultiVectorConfig(oracle.MultiVectorComparator.MaxSim)
    dense = {
        "a": params(size=2, distance=oracle.Distance.Cosine),
        "m": params(size=2, distance=oracle.Distance.Dot, multivector_config=multi),
        "h": params(size=2, distance=oracle.Distance.Dot, datatype=oracle.VectorStorageDatatype.Float16),
        "u": params(size=2, distance=oracle.Distance.Dot, datatype=oracle.VectorStorageDatatype.Uint8),
    }
    sparse = {"s": oracle.EdgeSparseVectorParams()}
    return oracle.EdgeShard.create(str(path), oracle.EdgeConfig(vectors=dense, sparse_vectors=sparse))


def dump(loaded):
    records = loaded.scroll(oracle.ScrollRequest(limit=10000, with_payload=True, with_vector=True))[0]
    return {r.id: (r.payload, plain(r.vector)) for r in records}


def plain(value):
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, oracle.SparseVector):
        return list(value.indices), list(value.values)
    return value


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """The records 0.9.0 logs for `operations`."""
    path = tmp_path_factory.mktemp("oracle")
    loaded = shard(path)
    for operation in operations(oracle):
        loaded.update(operation)
    loaded.close()
    return [bytes(payload) for _, payload in Wal.open(path / "wal", read_only=True).entries(0)]


def unordered(value, key=None):
    """Lists that are sets in disguise, sorted; UUIDs, which 0.9.0 logs in two forms, as text."""
    if isinstance(value, bytes) and len(value) == 16 and value == KEY.bytes:
        return str(KEY)
    if isinstance(value, dict):
        return {k: unordered(v, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [unordered(v) for v in value]
        return sorted(items, key=repr) if key in ("has_id", "languages", "custom", "any", "except") else items
    return value


def test_every_operation_is_logged_as_the_oracle_logs_it(logged):
    ours = operations(OURS)
    assert len(ours) == len(logged)
    for operation, theirs in zip(ours, logged, strict=True):
        record = encode(operation)
        expected = unordered(_native.cbor_loads(theirs))
        assert unordered(_native.cbor_loads(record)) == expected


def test_every_operation_of_the_oracle_decodes_to_ours(logged):
    for operation, theirs in zip(operations(OURS), logged, strict=True):
        decoded = decode(theirs)
        assert type(decoded) is type(operation)
        if isinstance(operation, UpsertPoints) and decoded.condition is not None:
            assert decoded.points == operation.points  # a missing condition is logged as an empty one
        elif "nested" not in repr(operation):
            assert decoded == operation
        assert decode(encode(decoded)) == decoded


def test_ours_replayed_by_the_oracle_give_the_same(tmp_path):
    expected = shard(tmp_path / "expected") if (tmp_path / "expected").mkdir() is None else None
    for operation in operations(oracle):
        expected.update(operation)
    (tmp_path / "replayed").mkdir()
    shard(tmp_path / "replayed").close()
    wal = Wal.open(tmp_path / "replayed/wal")
    for operation in operations(OURS):
        wal.append(encode(operation))
    wal.close()
    replayed = oracle.EdgeShard.load(str(tmp_path / "replayed"))
    assert dump(replayed) == dump(expected)
    assert replayed.info().payload_schema.keys() == expected.info().payload_schema.keys()


def raw_column(rows):
    """Bytes per point, None where there is none."""
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row or b"") for row in rows], out=bounds[1:])
    data = np.frombuffer(b"".join(row or b"" for row in rows), np.uint8)
    return data, bounds, np.array([row is not None for row in rows], np.bool_)


def sparse_value(indices, values):
    """docs/format: u64 bytes of indices, packed indices, u64 count, values."""
    width = max(8, *[int(d).bit_length() for d in np.diff(indices, prepend=0)])
    stream, shift = width - 8, 6
    for delta in np.diff(indices, prepend=0).tolist():
        stream |= delta << shift
        shift += width
    packed = stream.to_bytes((shift + 7) // 8, "little")
    floats = np.array(values, "<f4").tobytes()
    return len(packed).to_bytes(8, "little") + packed + len(values).to_bytes(8, "little") + floats


def raw_points():
    f4, f2, u1 = (lambda v: np.array(v, "<f4").tobytes()), (lambda v: np.array(v, "<f2").tobytes()), bytes
    columns = {
        "a": raw_column([f4([0.6, 0.8]), None, f4([1, 0])]),
        "m": raw_column([f4([[1, 2], [3, 4]]), f4([[5, 6]]), None]),
        "h": raw_column([None, f2([0.5, 65504]), None]),
        "u": raw_column([u1([0, 255]), None, None]),
        "s": raw_column([sparse_value([3, 900], [0.5, 1.5]), None, None]),
    }
    return UpsertRaw([1, KEY, 2**64 - 1], columns, [json.dumps({"x": 1.5}).encode(), None, b"{}"])


def test_raw_points_replayed_by_the_oracle(tmp_path):
    shard(tmp_path).close()
    wal = Wal.open(tmp_path / "wal")
    wal.append(encode(raw_points()))
    wal.close()
    assert dump(oracle.EdgeShard.load(str(tmp_path))) == {
        1: (
            {"x": 1.5},
            {
                "a": pytest.approx([0.6, 0.8]),
                "m": [[1.0, 2.0], [3.0, 4.0]],
                "u": [0.0, 255.0],
                "s": ([3, 900], [0.5, 1.5]),
            },
        ),
        KEY: ({}, {"m": [[5.0, 6.0]], "h": [0.5, 65504.0]}),
        2**64 - 1: ({}, {"a": [1.0, 0.0]}),
    }


def test_raw_points_replace_the_whole_point_in_the_oracle(tmp_path):
    """A name missing from a raw point is removed, a null payload empties it."""
    loaded = shard(tmp_path)
    loaded.update(oracle.UpdateOperation.upsert_points([oracle.Point(1, {"u": [1, 2]}, {"old": 1})]))
    loaded.close()
    wal = Wal.open(tmp_path / "wal")
    one = raw_column([np.array([1, 0], "<f4").tobytes()])
    wal.append(encode(UpsertRaw(np.array([1], np.uint64), {"a": one}, [None])))
    wal.close()
    assert dump(oracle.EdgeShard.load(str(tmp_path))) == {1: ({}, {"a": [1.0, 0.0]})}


def test_raw_points_round_trip():
    decoded = decode(encode(raw_points()))
    expected = raw_points()
    assert decoded.ids == expected.ids
    assert decoded.payloads == [b'{"x":1.5}', None, b"{}"]
    for name, column in expected.vectors.items():
        for got, wanted in zip(decoded.vectors[name], column, strict=True):
            assert (got == wanted).all()
            assert got.dtype == wanted.dtype


def test_synchronisation_round_trips():
    operation = SyncPoints(None, KEY, [points.Point(5, [1.0, 2.0], {"a": 1})])
    assert decode(encode(operation)) == operation
    raw = decode(encode(SyncPointsRaw(3, None, raw_points())))
    assert (raw.from_id, raw.to_id, raw.points.ids) == (3, None, raw_points().ids)
    assert bytes(raw.points.vectors["u"][0]) == b"\0\xff"


def test_batches_become_points():
    ids = np.array([1, 2], np.uint64)
    sparse = SparseBatch(np.array([0, 1, 1]), np.array([7], np.uint32), np.array([0.5], np.float32))
    multi = MultiBatch(np.array([0, 2, 3]), np.arange(6, dtype=np.float32).reshape(3, 2))
    columns = {"a": np.ones((2, 2), np.float32), "s": sparse, "m": multi}
    decoded = decode(encode(UpsertBatch(ids, columns, [b'{"x":1}', None])))
    assert [point._id for point in decoded.points] == [1, 2]
    assert decoded.points[0].vector["m"] == [[0.0, 1.0], [2.0, 3.0]]
    assert decoded.points[1].vector["s"].indices == []
    assert [point.payload for point in decoded.points] == [{"x": 1}, None]
    unnamed = decode(encode(UpsertBatch(ids, {"": np.ones((2, 2), np.float32)})))
    assert unnamed.points[0].vector == [1.0, 1.0]


def test_forms_of_other_writers():
    """Indefinite lengths, half floats, integers as floats, text UUIDs, clock tags, MessagePack."""
    tag = {"peer_id": 1, "clock_id": 2, "clock_tick": 3, "token": 4, "force": False}
    record = {"clock_tag": tag, "delete_points": {"ids": [str(KEY), 5]}}
    assert decode(_native.cbor_dumps(record)).ids == [KEY, 5]
    point = b"\xbf\x62id\x01\x66vector\x9f\xf9\x38\x00\x02\xfb\x3f\xf8\0\0\0\0\0\0\xff\xff"
    points_map = b"\xbf\x6dupsert_points\xbf\x66points\x9f" + point + b"\xff\xff\xff"
    assert decode(points_map).points[0].vector == [0.5, 2.0, 1.5]
    import msgspec

    assert decode(msgspec.msgpack.encode(record)).ids == [KEY, 5]


def test_nonfinite_vectors_of_the_oracle_decode():
    record = _native.cbor_dumps(
        {"upsert_points": {"points": [{"id": 1, "vector": [math.nan, math.inf, 1e300], "payload": None}]}}
    )
    vector = decode(record).points[0].vector
    assert math.isnan(vector[0])
    assert vector[1:] == [math.inf, math.inf]


@pytest.mark.parametrize("schema", schemas(OURS), ids=repr)
def test_schemas_round_trip(schema):
    kind, params = schema_from_json(json.loads(json.dumps(schema_to_json(schema))))
    assert (kind if params is None else params) == schema


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xa0",
        b"\xff",
        b"\x9f" * 1000,
        b"\x81" * 100_000,
        b"\xa1\x61x\xf6",
        b"\xa1\x6ddelete_points\xa1\x63ids\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x71upsert_points_raw\x9b\x00\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x6ddelete_points\xa1\x63ids\x81\x01extra",
        b"\xa2\x6ddelete_points\xa1\x63ids\x80\x6cdelete_index\x61a",
        b"\xa1\x6ddelete_points\xa1\x63ids\x81\x20",
        b"\xa1\x6cdelete_index\x62[[",
    ],
)
def test_nonsense_is_reported(record):
    with pytest.raises(CorruptedError, match="not an operation this version knows"):
        decode(record)


@settings(max_examples=300)
@given(st.data())
def test_damaged_records_decode_or_are_reported(data):
    records = _damage_subjects()
    record = bytearray(data.draw(st.sampled_from(records)))
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    record = record[: data.draw(st.integers(0, len(record)))] if data.draw(st.booleans()) else record
    with contextlib.suppress(CorruptedError):
        decode(bytes(record))


@functools.cache
def _damage_subjects():
    return [encode(operation) for operation in [*operations(OURS), raw_points()]]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=300)
@given(json_values)
def test_json_survives_cbor(value):
    text = json.dumps(value, ensure_ascii=False).encode()
    back = json.loads(_native.cbor_to_json(_native.json_to_cbor(text)))
    assert back == value
    assert repr(back) == repr(json.loads(text))


finite = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)
point_ids = st.sampled_from([0, 1, 2, 2**64 - 1, KEY])
small_payloads = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), point_ids, st.lists(finite, min_size=2, max_size=2), small_payloads),
        st.tuples(st.just("set"), point_ids, small_payloads, st.sampled_from([None, "a", "b.c"])),
        st.tuples(st.just("delete"), point_ids),
        st.tuples(st.just("clear"), point_ids),
        st.tuples(st.just("drop"), point_ids, st.sampled_from(["a", "b.c", "c[]"])),
    ),
    max_size=8,
)


def as_operation(m, change):
    u, kind, point_id = m.UpdateOperation, change[0], change[1]
    if kind == "upsert":
        return u.upsert_points([m.Point(point_id, {"a": change[2]}, change[3])])
    if kind == "set":
        return u.set_payload([point_id], change[2], change[3])
    if kind == "drop":
        return u.delete_payload([point_id], [change[2]])
    return u.delete_points([point_id]) if kind == "delete" else u.clear_payload([point_id])


@settings(max_examples=20)
@given(changes)
def test_random_changes_mean_the_same_to_the_oracle(script):
    """Logged by the oracle they decode to ours; ours, replayed by the oracle, give its contents."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        expected = shard(base / "oracle") if (base / "oracle").mkdir() is None else None
        for change in script:
            with contextlib.suppress(Exception):  # a change of a point that is not there is refused, but logged
                expected.update(as_operation(oracle, change))
        wanted = dump(expected)
        expected.close()
        ours = [as_operation(OURS, change) for change in script]
        records = [bytes(payload) for _, payload in Wal.open(base / "oracle/wal", read_only=True).entries(0)]
        assert [decode(record) for record in records] == ours
        (base / "ours").mkdir()
        shard(base / "ours").close()
        wal = Wal.open(base / "ours/wal")
        for operation in ours:
            wal.append(encode(operation))
        wal.close()
        assert dump(oracle.EdgeShard.load(str(base / "ours"))) == wanted
