"""Files of codes: read back as they were written, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeshard.errors import CorruptedError
from edgeshard.index import flat, kept_codes
from edgeshard.index.kept_codes import Shelf, in_memory, source_of
from edgeshard.models.options import options
from edgeshard.storage import files
from edgeshard.storage.convert import DOT

ROWS = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
SECTIONS = {"codes": np.arange(5000, dtype=np.uint8), "scale": np.ones(7, np.float32), "nothing": np.zeros(0, np.uint8)}


def shelf(tmp_path: Path, *, writable: bool = True) -> Shelf:
    return Shelf(tmp_path / kept_codes.NAME / "segment", "vector_storage", writable=writable)


def file_of(tmp_path: Path) -> Path:
    return tmp_path / kept_codes.NAME / "segment" / "vector_storage.bytes"


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    assert shelf(tmp_path).take("bytes", 1, [ROWS]) is None
    shelf(tmp_path).put("bytes", 1, [ROWS[:100], ROWS[100:]], SECTIONS)
    found = shelf(tmp_path, writable=False).take("bytes", 1, [ROWS])
    assert found is not None
    assert {name: part.tobytes() for name, part in found.items()} == {n: a.tobytes() for n, a in SECTIONS.items()}
    assert not found["codes"].flags.writeable
    assert found["codes"].ctypes.data % 4096 == 0


def test_codes_of_other_rows_kinds_and_layouts_do_not_count(tmp_path: Path) -> None:
    shelf(tmp_path).put("bytes", 1, [ROWS], SECTIONS)
    assert shelf(tmp_path).take("bytes", 2, [ROWS]) is None
    assert shelf(tmp_path).take("bytes", 1, [ROWS[:-1]]) is None
    assert shelf(tmp_path).take("bytes", 1, [ROWS + 1]) is None
    assert shelf(tmp_path).take("bytes", 1, [ROWS.reshape(600, 4)]) is None
    file_of(tmp_path).rename(file_of(tmp_path).with_suffix(".records"))
    assert shelf(tmp_path).take("records", 1, [ROWS]) is None


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    shelf(tmp_path).put("bytes", 1, [ROWS], SECTIONS)
    path = file_of(tmp_path)
    whole = path.read_bytes()
    header = 20 + int.from_bytes(whole[12:16], "little")
    used = [*range(0, header, 3), 4096, 4096 + 4999, 3 * 4096, 3 * 4096 + 27]
    for at in used:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptedError):
            kept_codes.read(path)
        assert len(list(kept_codes.damaged(tmp_path))) == 1
        assert shelf(tmp_path).take("bytes", 1, [ROWS]) is None
    for size in (0, 10, 100, 4096, 6000, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert shelf(tmp_path).take("bytes", 1, [ROWS]) is None
    path.write_bytes(whole)
    assert shelf(tmp_path).take("bytes", 1, [ROWS]) is not None
    assert list(kept_codes.damaged(tmp_path)) == []


def test_a_reader_and_a_switch_leave_the_directory_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf(tmp_path, writable=False).put("bytes", 1, [ROWS], SECTIONS)
    assert not (tmp_path / kept_codes.NAME).exists()
    shelf(tmp_path).put("bytes", 1, [ROWS], SECTIONS)
    monkeypatch.setattr(options, "keep_codes", False)
    assert shelf(tmp_path).take("bytes", 1, [ROWS]) is None
    shelf(tmp_path).put("other", 1, [ROWS], SECTIONS)
    assert [entry.name for entry in (tmp_path / kept_codes.NAME / "segment").iterdir()] == ["vector_storage.bytes"]


def test_a_disk_that_refuses_is_told_once(tmp_path: Path) -> None:
    class Full(files.Disk):
        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
            raise OSError(28, "No space left on device")

    before = files.use_disk(Full())
    try:
        full = shelf(tmp_path)
        with pytest.warns(RuntimeWarning, match="No space left"):
            full.put("bytes", 1, [ROWS], SECTIONS)
        full.put("bytes", 1, [ROWS], SECTIONS)
    finally:
        files.use_disk(before)
    assert list((tmp_path / kept_codes.NAME / "segment").iterdir()) == []


def test_what_belongs_to_no_segment_is_removed(tmp_path: Path) -> None:
    shelf(tmp_path).put("bytes", 1, [ROWS], SECTIONS)
    Shelf(tmp_path / kept_codes.NAME / "gone", "vector_storage", writable=True).put("bytes", 1, [ROWS], SECTIONS)
    (tmp_path / kept_codes.NAME / "segment" / f"{files.TEMPORARY_PREFIX}abc").write_bytes(b"cut short")
    (tmp_path / kept_codes.NAME / "file").write_bytes(b"")
    kept_codes.clean_up(tmp_path, ["segment"])
    left = [path.name for path in sorted((tmp_path / kept_codes.NAME).rglob("*"))]
    assert left == ["segment", "vector_storage.bytes"]


def test_sources_differ_by_their_rows() -> None:
    assert source_of([ROWS]) == source_of([ROWS[:1], ROWS[1:]])
    assert source_of([]) != source_of([ROWS])
    assert source_of([ROWS[:0]]).rows == 0


def test_memory_is_given_back_while_rows_are_looked_at() -> None:
    calls: list[int] = []
    assert source_of([ROWS[:200], ROWS[200:]], lambda: calls.append(1)) == source_of([ROWS])
    assert len(calls) == kept_codes.SAMPLED_ROWS


def test_checksums_are_compared_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_codes, "PART_BYTES", 1000)
    monkeypatch.setattr(kept_codes, "PARTS", 1000)
    shelf(tmp_path).put("bytes", 1, [ROWS], SECTIONS)
    found = shelf(tmp_path)
    assert [found.check_some("bytes") for _ in range(6)] == [False] * 5 + [True]  # 5,000 bytes and a few
    whole = found.take("bytes", 1, [ROWS])
    again = shelf(tmp_path)
    assert again.check_some("bytes", 3) is False
    taken = again.take("bytes", 1, [ROWS])  # which compares the rest
    assert whole is not None
    assert taken is not None
    assert {name: part.tobytes() for name, part in whole.items()} == {n: p.tobytes() for n, p in taken.items()}
    assert shelf(tmp_path).check_some("other") is True
    data = bytearray(file_of(tmp_path).read_bytes())
    data[4096 + 4500] ^= 1
    file_of(tmp_path).write_bytes(data)
    damaged = shelf(tmp_path)
    assert [damaged.check_some("bytes") for _ in range(5)] == [False] * 4 + [True]
    assert not damaged.holds("bytes")
    assert damaged.take("bytes", 1, [ROWS]) is None
    partly = shelf(tmp_path)
    assert partly.check_some("bytes", 2) is False
    assert partly.take("bytes", 1, [ROWS]) is None


class Source:
    def chunks(self) -> list[np.ndarray]:
        return [MANY]


MANY = np.random.default_rng(2).normal(size=(flat.CODES_MIN_ROWS, 16)).astype(np.float32)


def kept_index(tmp_path: Path, *, writable: bool) -> flat.FlatIndex:
    first = flat.FlatIndex(Source(), DOT)
    first.shelf = shelf(tmp_path)
    codes = first.all_codes()
    assert codes is not None
    codes.make_nibbles()
    first.shelf.put(flat.KIND, flat.LAYOUT, [MANY], flat.sections_of(codes))
    index = flat.FlatIndex(Source(), DOT)
    index.shelf = shelf(tmp_path, writable=writable)
    return index


@pytest.mark.parametrize("often", [True, False], ids=["many walks", "many scans"])
def test_codes_that_are_read_often_move_from_the_file_into_memory(tmp_path: Path, often: bool) -> None:
    index = kept_index(tmp_path, writable=True)
    mapped, query = index.all_codes(), MANY[7:8]
    answers = [index.search(query, 5)]
    assert index.all_codes() is mapped
    if often:
        index.all_codes(often=True)
    else:
        answers += [index.search(query, 5) for _ in range(flat.MEMORY_AFTER_SCANS)]
    moved = index.all_codes()
    assert mapped is not None
    assert moved is not None
    assert moved is not mapped
    assert moved.has_nibbles
    assert not np.shares_memory(moved.parts()[0], mapped.parts()[0])
    answers.append(index.search(query, 5))
    assert all(same[0][0].tolist() == answers[0][0][0].tolist() for same in answers)
    assert index.all_codes(often=True) is moved


def test_readers_go_on_sharing_the_pages_of_the_file(tmp_path: Path) -> None:
    index = kept_index(tmp_path, writable=False)
    mapped = index.all_codes(often=True)
    for _ in range(flat.MEMORY_AFTER_SCANS + 1):
        index.search(MANY[:1], 5)
    assert mapped is not None
    assert index.all_codes() is mapped


def test_a_large_section_lies_on_huge_pages() -> None:
    section = np.arange(3 << 20, dtype=np.float32)
    section.flags.writeable = False
    copy = in_memory(section)
    assert copy.dtype == np.float32
    assert np.array_equal(copy, section)
    assert copy.ctypes.data % (2 << 20) == 0
    assert np.array_equal(in_memory(section[:1000]), section[:1000])
