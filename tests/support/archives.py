"""Snapshot archives as a Qdrant server packs them, and broken ones, built byte by byte.

The packing rules are those of the server; nothing of edgeshard is used, so that both sides do not share a mistake.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

BLOCK = 512
MANIFEST = "segment_manifest.json"
LOCAL_ONLY = ("tracker_journal.dat", MANIFEST)
MARKERS = ("segment.json", "version.info")
END = bytes(2 * BLOCK)


def octal(value: int, width: int) -> bytes:
    if value >= 8 ** (width - 1):
        return b"\x80" + value.to_bytes(width - 1, "big")
    return b"%0*o\0" % (width - 1, value)


def header(
    name: bytes | str,
    size: int = 0,
    kind: bytes = b"0",
    *,
    magic: bytes = b"ustar  \0",
    link: bytes = b"",
    size_field: bytes | None = None,
    tail: bytes = b"",
    mode: int = 0o644,
    checksum: int | None = None,
) -> bytes:
    """One header block, right or wrong."""
    raw = name.encode() if isinstance(name, str) else name
    block = raw[:100].ljust(100, b"\0") + octal(mode, 8) + octal(0, 8) * 2
    block += (size_field or octal(size, 12)) + octal(0, 12) + b" " * 8 + kind + link.ljust(100, b"\0") + magic
    block = (block.ljust(345, b"\0") + tail).ljust(BLOCK, b"\0")
    total = sum(block) if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


def pad(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def entry(name: bytes | str, data: bytes = b"", kind: bytes = b"0", **fields: Any) -> bytes:
    """Header and data; a long name gets its own record before."""
    raw = name.encode() if isinstance(name, str) else name
    long = b""
    if len(raw) > 100:
        long = header("././@LongLink", len(raw) + 1, b"L") + pad(raw + b"\0")
    return long + header(raw, len(data), kind, **fields) + pad(data)


def pax(records: list[tuple[str, str]], kind: bytes = b"x") -> bytes:
    """A PAX header."""
    data = b""
    for key, value in records:
        body = f" {key}={value}\n".encode()
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length += 1
        data += str(length).encode() + body
    return header("PaxHeader", len(data), kind, magic=b"ustar\x0000") + pad(data)


def gnu_sparse(name: str, pieces: list[tuple[int, bytes]], size: int, *, stated: list[Any] | None = None) -> bytes:
    """A sparse entry of old GNU tar; ``stated`` replaces the map."""
    fields = stated if stated is not None else [*((offset, len(data)) for offset, data in pieces), (size, 0)]
    data = b"".join(data for _, data in pieces)

    def numbers(some: list[tuple[int, int]]) -> bytes:
        return b"".join(octal(offset, 12) + octal(length, 12) for offset, length in some)

    first, rest = fields[:4], fields[4:]
    tail = bytes(41) + numbers(first).ljust(96, b"\0") + (b"\1" if rest else b"\0") + octal(size, 12)
    blocks = header(name, len(data), b"S", tail=tail)
    while rest:
        some, rest = rest[:21], rest[21:]
        blocks += (numbers(some).ljust(504, b"\0") + (b"\1" if rest else b"\0")).ljust(BLOCK, b"\0")
    return blocks + pad(data)


def segment_directories(shard: Path) -> list[Path]:
    return [
        segment
        for segment in sorted((shard / "segments").iterdir())
        if segment.is_dir() and not segment.name.startswith(".") and (segment / "version.info").exists()
    ]


def segment_files(segment: Path) -> dict[str, bytes]:
    """Files of a segment as a server packs them, marker files last."""
    found = {
        path.relative_to(segment).as_posix(): path.read_bytes()
        for path in sorted(segment.rglob("*"))
        if path.is_file() and path.name not in LOCAL_ONLY
    }
    return {**{k: v for k, v in found.items() if k not in MARKERS}, **{k: found[k] for k in MARKERS if k in found}}


def thrifty(name: str, data: bytes) -> bytes:
    """An entry, sparse if it ends in zeros, as real servers pack preallocated files."""
    used = len(data.rstrip(b"\0"))
    if len(data) - used < 8192:
        return entry(name, data)
    used = -(-used // BLOCK) * BLOCK
    if len(name) > 100:
        long = header("././@LongLink", len(name) + 1, b"L") + pad(name.encode() + b"\0")
        return long + gnu_sparse(name[:100], [(0, data[:used])], len(data))
    return gnu_sparse(name, [(0, data[:used])], len(data))


def last_operation(shard: Path) -> int:
    found = -1
    for segment in segment_directories(shard):
        version = json.loads((segment / "segment.json").read_text()).get("version")
        found = max(found, -1 if version is None else version)
    return found


def tail(shard: Path, *, wal: bool = True) -> bytes:
    """Everything after the segments."""
    data = b""
    if wal:
        data += header("wal/", 0, b"5", mode=0o755)
        data += entry(f"wal/closed-{last_operation(shard) + 1}", b"wal\0seed".ljust(4096, b"\0"))
    data += entry("replica_state.json", b'{"is_local":true,"this_peer_id":1,"peers":{"1":"Active"}}')
    return data + entry("shard_config.json", b'{"type":"ReplicaSet"}')


def segment_entries(name: str, contents: dict[str, bytes], layout: str) -> bytes:
    if layout == "regular":
        inner = b"".join(thrifty(f"snapshot/files/{path}", data) for path, data in contents.items()) + END
        return entry(f"segments/{name}.tar", inner)
    middle = "files/" if layout == "streamable" else ""
    return b"".join(thrifty(f"segments/{name}/{middle}{path}", data) for path, data in contents.items())


def pack_full(shard: Path, layout: str = "streamable", *, wal: bool = True) -> bytes:
    """A full archive of a closed shard; layout ``mixed`` takes turns."""
    layouts = ["streamable", "regular", "flat"] if layout == "mixed" else [layout]
    parts = [
        segment_entries(segment.name, segment_files(segment), layouts[place % len(layouts)])
        for place, segment in enumerate(segment_directories(shard))
    ]
    return b"".join(parts) + tail(shard, wal=wal) + END


def changed(client: dict[str, Any] | None, server: dict[str, Any]) -> set[str]:
    """Files of a server segment which a client with that manifest needs."""

    def versions(manifest: dict[str, Any]) -> dict[str, int]:
        own = manifest["segment_version"]
        return {name: own if version is None else version for name, version in manifest["file_versions"].items()}

    have = versions(client) if client else {}
    return {
        name
        for name, version in versions(server).items()
        if name not in have or have[name] < version or have[name] == version == 0
    }


def pack_partial(
    shard: Path,
    server: dict[str, Any],
    client: dict[str, Any],
    layout: str = "streamable",
    *,
    wal: bool = True,
    edit: Any = None,
) -> bytes:
    """What a server with the closed shard answers to a client; ``edit(segment, files)`` may falsify it."""
    parts = []
    for segment in segment_directories(shard):
        if segment.name not in server:
            continue
        manifest = server[segment.name]
        wanted = changed(client.get(segment.name), manifest) | set(MARKERS)
        contents = {MANIFEST: json.dumps(manifest).encode()}
        contents |= {name: data for name, data in segment_files(segment).items() if name in wanted}
        if edit is not None:
            edit(segment.name, contents)
        parts.append(segment_entries(segment.name, contents, layout))
    return b"".join(parts) + tail(shard, wal=wal) + END


def tarfile_entries(data: bytes) -> list[str]:
    """Names in an archive, read by the standard library."""
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()
