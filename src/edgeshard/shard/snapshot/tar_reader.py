"""A strict reader of tar archives.

Read are regular files, directories, sparse files in the forms of old GNU tar (type ``S``) and of PAX (0.0, 0.1, 1.0),
GNU long names (``L``) and PAX headers (``x``, ``g``). Anything else is refused, and so is a header whose numbers do
not add up. Only headers are read here: an entry's data is a :class:`~edgeshard.shard.snapshot.view.View`.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeshard.errors import SnapshotError
from edgeshard.shard.snapshot.limits import Budget, refusal
from edgeshard.shard.snapshot.tar_format import (
    BLOCK,
    GNU_MAGIC,
    KINDS,
    MORE_COUNT,
    MORE_MORE,
    SPARSE_COUNT,
    SPARSE_MORE,
    SPARSE_SIZE,
    SPARSE_START,
    USTAR_MAGIC,
    ZERO_BLOCK,
    checksums,
    padded,
    parse_number,
)
from edgeshard.shard.snapshot.view import View

LONG_NAME_BYTES = 4097
PAX_BYTES = 1 << 20
FIRST = "the first entry"


class Entry:
    """One file or directory of an archive.

    Args:
        name: as the archive has it.
        view: the content, None for a directory.
    """

    __slots__ = ("name", "view")

    def __init__(self, name: str, view: View | None) -> None:
        self.name = name
        self.view = view


class TarReader:
    """The entries of one archive, in order.

    Args:
        view: its bytes.
        budget: what it may ask for.

    Attributes:
        last: name of the entry read last.
        ended: after :meth:`entries`, whether there was an end mark.
    """

    __slots__ = ("_budget", "_position", "_view", "ended", "last")

    def __init__(self, view: View, budget: Budget) -> None:
        self._view = view
        self._budget = budget
        self._position = 0
        self.last = FIRST
        self.ended = False

    def entries(self) -> Iterator[Entry]:
        """Every entry.

        Raises:
            SnapshotError: the archive is damaged, or holds what is not allowed.
        """
        long_name: str | None = None
        pax: list[tuple[str, str]] = []
        while (block := self._header()) is not None:
            kind = block[156:157]
            size = self._number(block[124:136], "size")
            if kind == b"L":
                if long_name is not None:
                    raise refusal(long_name, "two long names for one entry")
                long_name = self._text(self._take(size, LONG_NAME_BYTES, "long name").split(b"\0", 1)[0])
            elif kind == b"x":
                pax += self._records(self._take(size, PAX_BYTES, "PAX header"))
            elif kind == b"g":
                self._check_global(self._records(self._take(size, PAX_BYTES, "PAX header")))
            else:
                yield self._entry(block, size, long_name, pax)
                long_name, pax = None, []
        if long_name is not None or pax:
            raise refusal(long_name or self.last, "the archive ends after a header without its entry")

    # --- blocks ------------------------------------------------------------------------------------------

    def _header(self) -> bytes | None:
        """The next header, checked; None at the end."""
        if self._position >= self._view.size:
            return None
        block = self._block()
        if block == ZERO_BLOCK:
            if self._position < self._view.size and self._block() != ZERO_BLOCK:
                raise self._damage("data follows a single empty block")
            self.ended = True
            return None
        try:
            stored = parse_number(block[148:156])
        except ValueError as error:
            raise self._damage(f"the header checksum {error}") from error
        if stored not in checksums(block):
            raise self._damage(f"the header checksum is {stored}, the header sums up to {checksums(block)[0]}")
        self._budget.take_entry(self.last)
        return block

    def _block(self) -> bytes:
        if self._position + BLOCK > self._view.size:
            raise self._damage("the archive ends in the middle of a block")
        block = self._view.read(self._position, BLOCK)
        self._position += BLOCK
        return block

    def _take(self, size: int, limit: int, what: str) -> bytes:
        """The data of a header that describes the next one."""
        if size > limit:
            raise self._damage(f"a {what} of {size} bytes, more than {limit}")
        return self._data(size).read(0, size)

    def _data(self, size: int) -> View:
        """The next ``size`` bytes; the padding after them is passed over."""
        if size > self._view.size - self._position:
            raise self._damage(f"{size} bytes announced, the archive ends after {self._view.size - self._position}")
        view = self._view.part(self._position, size)
        self._position += padded(size)
        return view

    # --- entries -----------------------------------------------------------------------------------------

    def _entry(self, block: bytes, size: int, long_name: str | None, pax: list[tuple[str, str]]) -> Entry:
        fields = dict(pax)
        name = long_name or fields.get("path") or self._short_name(block)
        name = fields.get("GNU.sparse.name", name)
        self.last = name
        kind = block[156:157]
        if kind not in (b"0", b"\0", b"5", b"S"):
            shown = KINDS.get(kind, f"type {kind!r}")
            raise refusal(name, f"Forbidden entry type in tar archive: {shown}")
        if "size" in fields:
            size = self._decimal(fields["size"], "size")
        if kind == b"5" or (kind != b"S" and name.endswith("/")):
            if size:
                raise refusal(name, f"a directory with {size} bytes of data")
            return Entry(name, None)
        if kind == b"S":
            view = self._gnu_sparse(name, block, size)
        elif any(key.startswith("GNU.sparse.") for key in fields):
            view = self._pax_sparse(name, size, pax, fields)
        else:
            self._budget.take_bytes(name, size)
            view = self._data(size)
        return Entry(name, view)

    def _short_name(self, block: bytes) -> str:
        name = block[:100].split(b"\0", 1)[0]
        magic = block[257:265]
        if magic == USTAR_MAGIC:
            prefix = block[345:500].split(b"\0", 1)[0]
            name = prefix + b"/" + name if prefix else name
        elif magic != GNU_MAGIC and magic[:5] == b"ustar":
            raise self._damage(f"the magic {magic!r} is neither that of POSIX nor that of GNU tar")
        return self._text(name)

    def _gnu_sparse(self, name: str, block: bytes, size: int) -> View:
        """A sparse file of old GNU tar; its map goes on in the blocks after the header."""
        if block[257:265] != GNU_MAGIC:
            raise refusal(name, "a sparse entry without the magic of GNU tar")
        real_size = self._number(block[SPARSE_SIZE : SPARSE_SIZE + 12], "real size")
        pieces = self._sparse_fields(name, block[SPARSE_START:], SPARSE_COUNT)
        more = block[SPARSE_MORE]
        while more:
            extension = self._block()
            self._budget.take_pieces(name, 1)  # the block itself, which may announce another and hold none
            pieces += self._sparse_fields(name, extension, MORE_COUNT)
            more = extension[MORE_MORE]
        return self._spread(name, self._data(size), pieces, real_size)

    def _sparse_fields(self, name: str, data: bytes, count: int) -> list[tuple[int, int]]:
        pieces = []
        for start in range(0, count * 24, 24):
            if not data[start] and not data[start + 12]:
                break
            offset = self._number(data[start : start + 12], "sparse offset")
            pieces.append((offset, self._number(data[start + 12 : start + 24], "sparse length")))
        self._budget.take_pieces(name, len(pieces))
        return pieces

    def _pax_sparse(self, name: str, size: int, pax: list[tuple[str, str]], fields: dict[str, str]) -> View:
        """A sparse file of PAX: map in the data (1.0), in one record (0.1) or in many (0.0)."""
        version = (fields.get("GNU.sparse.major"), fields.get("GNU.sparse.minor"))
        data = self._data(size)
        if version not in ((None, None), ("1", "0"), ("0", "1"), ("0", "0")):
            raise refusal(name, f"sparse format {version[0]}.{version[1]} is not known")
        real_size = fields.get("GNU.sparse.realsize", fields.get("GNU.sparse.size"))
        if real_size is None:
            raise refusal(name, "a sparse entry without its real size")
        if version == ("1", "0"):
            pieces, used = self._map_in_data(name, data)
            data = data.part(used, size - used)
        else:
            numbers = self._map_in_header(name, pax, fields)
            pieces = list(zip(numbers[::2], numbers[1::2], strict=True))
            self._budget.take_pieces(name, len(pieces))
        return self._spread(name, data, pieces, self._decimal(real_size, "real size"))

    def _map_in_header(self, name: str, pax: list[tuple[str, str]], fields: dict[str, str]) -> list[int]:
        if "GNU.sparse.map" in fields:
            texts = fields["GNU.sparse.map"].split(",") if fields["GNU.sparse.map"] else []
        else:
            keys = [key for key, _ in pax if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")]
            if keys != ["GNU.sparse.offset", "GNU.sparse.numbytes"] * (len(keys) // 2):
                raise refusal(name, "sparse offsets and lengths do not alternate")
            texts = [value for key, value in pax if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")]
        if len(texts) % 2:
            raise refusal(name, "a sparse map with an odd count of numbers")
        count = self._decimal(fields.get("GNU.sparse.numblocks", str(len(texts) // 2)), "count of sparse pieces")
        if count != len(texts) // 2:
            raise refusal(name, f"{count} sparse pieces announced, {len(texts) // 2} listed")
        return [self._decimal(text, "number in the sparse map") for text in texts]

    def _map_in_data(self, name: str, data: View) -> tuple[list[tuple[int, int]], int]:
        """The map at the start of the data: decimal numbers, one a line; and the bytes it takes."""
        used, text = 0, b""
        wanted: int | None = None
        numbers: list[int] = []
        while wanted is None or len(numbers) < wanted:
            if used + BLOCK > data.size:
                raise refusal(name, "the sparse map does not end")
            *lines, text = (text + data.read(used, BLOCK)).split(b"\n")
            used += BLOCK
            if len(text) > BLOCK:
                raise refusal(name, "the sparse map holds no numbers")
            for line in lines:
                number = self._decimal(line.decode("ascii", "replace"), "number in the sparse map")
                if wanted is None:
                    wanted = 2 * number
                    self._budget.take_pieces(name, number)
                elif len(numbers) < wanted:
                    numbers.append(number)
        return list(zip(numbers[::2], numbers[1::2], strict=True)), used

    def _spread(self, name: str, data: View, pieces: list[tuple[int, int]], real_size: int) -> View:
        """A sparse entry, its map checked against the size and the data."""
        self._budget.take_bytes(name, real_size)
        end = total = 0
        for offset, length in pieces:
            if offset < end or length > real_size - offset:
                raise refusal(name, f"a sparse piece of {length} bytes at {offset} in a file of {real_size}")
            end, total = offset + length, total + length
        if total != data.size:
            raise refusal(name, f"the sparse pieces have {total} bytes, the entry {data.size}")
        return data.spread(pieces, real_size)

    # --- values ------------------------------------------------------------------------------------------

    def _records(self, data: bytes) -> list[tuple[str, str]]:
        """The records ``length key=value`` of a PAX header."""
        records = []
        position = 0
        while position < len(data) and data[position]:
            digits, space, _ = data[position : position + 21].partition(b" ")
            if not space or not digits.isdigit():
                raise self._damage("a PAX record does not start with its length")
            length = int(digits)
            record = data[position : position + length]
            key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
            if len(record) != length or record[-1:] != b"\n" or not equals or not key:
                raise self._damage("a PAX record does not end where its length says")
            records.append((self._text(key), self._text(value)))
            position += length
        return records

    def _check_global(self, records: list[tuple[str, str]]) -> None:
        for key, _ in records:
            if key in ("path", "size", "linkpath") or key.startswith("GNU.sparse."):
                raise self._damage(f"a global PAX header sets {key}")

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refusal(repr(raw), "the name is not UTF-8") from error

    def _number(self, field: bytes, what: str) -> int:
        try:
            return parse_number(field)
        except ValueError as error:
            raise self._damage(f"the {what} {error}") from error

    def _decimal(self, text: str, what: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise self._damage(f"the {what} {text[:40]!r} is not a number")
        return int(text)

    def _damage(self, reason: str) -> SnapshotError:
        where = f"after {self.last!r}" if self.last != FIRST else f"in {FIRST}"
        return SnapshotError(f"failed to unpack: the tar archive is damaged {where}: {reason}")
