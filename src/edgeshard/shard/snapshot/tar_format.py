"""Numbers and constants of tar headers, shared by the reader and the writer.

A header is one block of 512 bytes (POSIX ustar; the GNU fields lie where ustar has ``prefix``)::

    0 name 100   100 mode 8   108 uid 8   116 gid 8   124 size 12   136 mtime 12   148 checksum 8   156 type 1
    157 link 100 257 magic 8  265 user 32 297 group 32 329 devices 16
    345 prefix 155                                          (ustar)
    386 sparse 4 x (offset 12, length 12)  482 more 1  483 real size 12     (GNU, type S)

``more`` announces blocks of 21 x (offset 12, length 12) with their own ``more`` at 504. Numbers are octal text, or
binary, big endian, with the top bit of the field set.
"""

from __future__ import annotations

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
USTAR_MAGIC = b"ustar\x0000"
GNU_MAGIC = b"ustar  \x00"
SPARSE_START, SPARSE_COUNT, SPARSE_MORE, SPARSE_SIZE = 386, 4, 482, 483
MORE_COUNT, MORE_MORE = 21, 504
LONG_NAME = "././@LongLink"
_ASCII = bytes(range(128))

KINDS = {
    b"1": "Link",
    b"2": "Symlink",
    b"3": "Char",
    b"4": "Block",
    b"6": "Fifo",
    b"7": "Continuous",
    b"K": "GNULongLink",
    b"M": "GNUMultiVolume",
    b"V": "GNUVolumeHeader",
}
"""Names of the entry types that are refused, as Qdrant's messages have them."""


def padded(size: int) -> int:
    """A size rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def parse_number(field: bytes) -> int:
    """The value of a numeric field; an empty one is 0.

    Raises:
        ValueError: it is no number, or negative.
    """
    if field[:1] and field[0] & 0x80:
        if field[0] != 0x80:
            raise ValueError(f"{field!r} is negative")
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0", 1)[0].strip(b" ")
    if not text:
        return 0
    if text.translate(None, b"01234567"):
        raise ValueError(f"{field!r} is not an octal number")
    return int(text, 8)


def format_number(value: int, width: int) -> bytes:
    """A numeric field: octal if it fits, else binary."""
    if value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return b"\x80" + value.to_bytes(width - 1, "big")


def checksums(block: bytes) -> tuple[int, int]:
    """The sum of a header's bytes with its checksum field blank: unsigned, and signed as some old programs have it."""
    rest = block[:148] + b"        " + block[156:]
    unsigned = sum(rest)
    return unsigned, unsigned - 256 * len(rest.translate(None, _ASCII))
