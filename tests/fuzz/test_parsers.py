"""Mutated bytes in front of every parser: a typed error or an answer, never anything else.

The long form under coverage guidance is ``make fuzz``; what it found interesting is in ``corpus``.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from targets import Target, all_targets, quietly

CORPUS = Path(__file__).parent / "corpus"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few random edits."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            out[at : at + rng.randint(1, 16)] = b""
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 16))
        elif kind == 3:
            out[at : at + 8] = rng.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]).to_bytes(8, "little")
        elif kind == 4:
            del out[at:]
        else:
            start = rng.randrange(len(out) + 1)
            out[at : at + 8] = out[start : start + 8]
    return bytes(out)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return all_targets(tmp_path_factory.mktemp("fuzz"))


def attack(name: str, target: Target, inputs: list[bytes]) -> None:
    """Run a target; the input that breaks it is shown."""
    for data in inputs:
        try:
            quietly(target, data)
        except Exception as error:
            raise AssertionError(f"{name}: {data[:200]!r} ends in {type(error).__name__}: {error}") from error


def kept(name: str) -> list[bytes]:
    """Inputs that a long run found interesting."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def test_every_target_has_a_corpus(targets: dict[str, Target]) -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(targets)
    assert all(kept(name) for name in targets)


def test_corpus(targets: dict[str, Target]) -> None:
    for name, target in targets.items():
        attack(name, target, kept(name))


def test_mutations(targets: dict[str, Target]) -> None:
    rng = random.Random(1)
    for name, target in targets.items():
        attack(name, target, [mutated(rng.choice(target.seeds), rng) for _ in range(30)])


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_mutations(targets: dict[str, Target]) -> None:
    rng = random.Random(2)
    for name, target in targets.items():
        inputs = target.seeds + kept(name)
        attack(name, target, [mutated(rng.choice(inputs), rng) for _ in range(5000)])
