"""The worked examples of docs/format/gridstore.md and docs/format/flags.md are what the code writes."""

import re
from pathlib import Path

import numpy as np

from edgeshard.storage.bitset_file import encode_stored_bitmask
from edgeshard.storage.flags import Flags
from edgeshard.storage.gridstore import Gridstore

DOCS = Path(__file__).parents[2] / "docs" / "format"


def examples(page):
    """``{file name: bytes}`` of the ``hex`` blocks of a page."""
    text = (DOCS / page).read_text()
    return {name: bytes.fromhex(body) for name, body in re.findall(r"```hex (\S+)\n(.*?)```", text, re.S)}


def test_gridstore_example(tmp_path, flush):
    store = Gridstore.create(tmp_path, 2048, 16, "LZ4", 64)
    store.put(0, b'{"a":1}')
    store.put(2, b'{"a":"%s"}' % (b"b" * 60))
    flush(store)
    store.put(0, b'{"a":2}')
    flush(store)
    blocks = examples("gridstore.md")
    assert set(blocks) == {"tracker.dat", "page_0.dat", "bitmask.dat", "gaps.dat"}
    for name, content in blocks.items():
        assert (tmp_path / name).read_bytes()[: len(content)] == content
    for name in ("bitmask.dat", "gaps.dat"):
        assert (tmp_path / name).stat().st_size == len(blocks[name])


def test_flags_example(tmp_path, flush):
    flags = Flags.create(tmp_path)
    flags.extend(12)
    flags.set(np.array([1, 9]), True)
    flush(flags)
    blocks = examples("flags.md")
    assert (tmp_path / "status.dat").read_bytes() == blocks["status.dat"]
    assert (tmp_path / "flags_a.dat").read_bytes().rstrip(b"\0") == blocks["flags_a.dat"].rstrip(b"\0")
    bits = np.zeros(1000, bool)
    bits[[3, 500]] = True
    assert encode_stored_bitmask(bits) == blocks["bitmask"]
