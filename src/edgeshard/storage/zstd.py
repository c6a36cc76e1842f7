"""Zstandard frames in files of the format, unpacked to the length that is known beforehand."""

from __future__ import annotations

from pathlib import Path

from edgeshard.errors import CorruptedError


def unpack(path: Path, frame: bytes | memoryview, start: int, size_bytes: int) -> bytes:
    """What a frame holds.

    Args:
        path: the file it is in, for errors.
        frame: the frame.
        start: where it starts there.
        size_bytes: what it must hold; no more than that is unpacked.

    Raises:
        CorruptedError: it is no frame, or holds something else.
    """
    import zstandard  # 4 ms, and few shards hold a frame

    try:
        with zstandard.ZstdDecompressor().stream_reader(frame) as stream:
            data: bytes = stream.read(size_bytes + 1)
    except zstandard.ZstdError as error:
        raise CorruptedError(path, f"not a zstd frame: {error}", start) from error
    if len(data) != size_bytes:
        more = "more" if len(data) > size_bytes else f"{len(data)}"
        raise CorruptedError(path, f"expected {size_bytes} bytes in its zstd frame, got {more}", start)
    return data
