"""Our LZ4 block codec against the reference implementation, in both directions, and against damage."""

import random

import lz4.block
import pytest

from edgeshard._native import lz4_compress, lz4_decompress

RNG = random.Random(11)
WORDS = b" ".join(RNG.choice([b"fast", b"web", b"tool", b"data", b"{}:,"]) for _ in range(400_000))
TINY = [0, 1, 2, 4, 5, 11, 12, 13, 14, 19, 20, 64, 255, 270]
SIZES = [*TINY, 511, 512, 4095, 4096, 65535, 65536, 70_000, 1 << 20]
KINDS = {
    "random": RNG.randbytes(1 << 20),
    "zeros": bytes(1 << 20),
    "words": WORDS,
    "short period": b"ab" * (1 << 19),
    "long period": RNG.randbytes(65_535) * 17,
    "beyond the window": RNG.randbytes(66_000) * 16,
    "counter": b"".join(b"%07d" % i for i in range(150_000)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_directions(kind, size):
    data = KINDS[kind][:size]
    ours = lz4_compress(data)
    assert len(ours) <= size + size // 255 + 16
    assert lz4_decompress(ours, size) == data
    assert lz4.block.decompress(ours, uncompressed_size=size) == data
    assert lz4_decompress(lz4.block.compress(data, store_size=False), size) == data
    high = lz4.block.compress(data, mode="high_compression", store_size=False)
    assert lz4_decompress(high, size) == data


def test_random_mixtures():
    rng = random.Random(2)
    for _ in range(2000):
        parts = [rng.randbytes(rng.randrange(1, 40)) for _ in range(rng.randrange(1, 6))]
        data = b"".join(rng.choice(parts) for _ in range(rng.randrange(40)))
        ours = lz4_compress(data)
        assert lz4.block.decompress(ours, uncompressed_size=len(data)) == data
        assert lz4_decompress(ours, len(data)) == data


def test_compresses_about_as_well_as_the_reference():
    for size in (200, 1000, 100_000):
        samples = [WORDS[i : i + size] for i in range(0, 1_000_000, 50_000)]
        ours = sum(len(lz4_compress(data)) for data in samples)
        reference = sum(len(lz4.block.compress(data, store_size=False)) for data in samples)
        assert ours <= 1.2 * reference


def test_empty_value_is_one_byte():
    assert lz4_compress(b"") == b"\0"
    assert lz4_compress(b"{}") == b"\x20{}"


@pytest.mark.parametrize(
    ("block", "size"),
    [
        pytest.param(b"", 0, id="no token"),
        pytest.param(b"\x20a", 2, id="short literals"),
        pytest.param(b"\x10a\x00\x00\x50bbbbb", 10, id="distance zero"),
        pytest.param(b"\x10a\x02\x00\x50bbbbb", 10, id="distance before the start"),
        pytest.param(b"\x10a\x01\x00", 5, id="ends with a match"),
        pytest.param(b"\x10a\x01", 5, id="half a distance"),
        pytest.param(b"\xf0\xff\xff", 500, id="unfinished length"),
        pytest.param(b"\x1fa\x01\x00\xff\xff\x10\x00", 100, id="match longer than the output"),
        pytest.param(b"\x20ab", 3, id="too few bytes"),
        pytest.param(b"\x20ab", 1, id="too many bytes"),
        pytest.param(b"\x20ab", 1 << 40, id="impossible size"),
    ],
)
def test_malformed_blocks_are_refused(block, size):
    with pytest.raises(ValueError, match="block"):
        lz4_decompress(block, size)


def test_damage_never_reads_or_writes_outside():
    rng = random.Random(4)
    for _ in range(3000):
        data = WORDS[rng.randrange(1000) :][: rng.choice([20, 300, 3000])]
        block = bytearray(lz4_compress(data))
        for _ in range(rng.randrange(1, 4)):
            block[rng.randrange(len(block))] = rng.randrange(256)
        try:
            cut = rng.choice([len(block), rng.randrange(len(block))])
            assert len(lz4_decompress(bytes(block[:cut]), len(data))) == len(data)
        except ValueError:
            continue
