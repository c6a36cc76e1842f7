"""The worked example of docs/format/hnsw.md is what the code reads and writes."""

import re
from pathlib import Path

import numpy as np

from edgeshard import _native

PAGE = (Path(__file__).parents[2] / "docs/format/hnsw.md").read_text(encoding="utf-8")


def example_bytes():
    lines = re.findall(r"^ *(\d+) ((?:[0-9a-f]{2} ?)+?)(?: {2}.*)?$", PAGE, re.MULTILINE)
    data = bytearray()
    for at, text in lines:
        assert int(at) == len(data)
        data += bytes.fromhex(text)
    return bytes(data)


def test_links_of_the_example():
    data = example_bytes()
    graph, reason, _ = _native.hnsw_open(np.frombuffer(data, np.uint8), 2, 2, 4, [(0, 1)], [])
    assert (reason, len(data)) == ("", 148)
    assert graph.verify() == ("", 0)
    rows = re.findall(r"^\| point (\d)(, level 1)? \| (?:`(.*?)`)? ?\| .*? ?\| ?([\d, ]*)\|$", PAGE, re.MULTILINE)
    assert len(rows) == 10
    packed = b""
    for point, upper, text, links in rows:
        expected = [int(link) for link in links.replace(",", " ").split()]
        assert graph.links(int(point), 1 if upper else 0).tolist() == expected
        packed += bytes.fromhex(text)
    assert packed == data[112:135]
    pieces: list[bytes] = []
    graph.encode(pieces.append, 2)
    assert b"".join(pieces) == data
