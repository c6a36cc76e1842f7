"""Spellings of enumeration members in stored JSON."""

from __future__ import annotations

import enum

import pytest

import edgeshard
from edgeshard.errors import ValidationError
from edgeshard.models.wire import from_wire, to_wire

SPELLED = [
    (edgeshard.Distance.Cosine, "Cosine"),
    (edgeshard.VectorStorageDatatype.Float16, "float16"),
    (edgeshard.VectorStorageDatatype.Turbo8, "turbo8"),
    (edgeshard.MultiVectorComparator.MaxSim, "max_sim"),
    (getattr(edgeshard.Modifier, "None"), "none"),
    (edgeshard.BinaryQuantizationEncoding.OneAndHalfBits, "one_and_half_bits"),
    (edgeshard.BinaryQuantizationQueryEncoding.Scalar4Bits, "scalar4bits"),
    (edgeshard.TurboQuantBitSize.Bits1_5, "bits1_5"),
    (edgeshard.CompressionRatio.X16, "x16"),
    (edgeshard.UpdateMode.InsertOnly, "insert_only"),
    (edgeshard.PayloadSchemaType.Datetime, "datetime"),
    (edgeshard.SnowballLanguage.English, "english"),
]


@pytest.mark.parametrize(("member", "spelling"), SPELLED)
def test_spelling(member: enum.Enum, spelling: str) -> None:
    assert to_wire(member) == spelling
    assert from_wire(type(member), spelling) is member


@pytest.mark.parametrize("spelling", ["cosine", "", None, 3])
def test_unknown_spellings_are_refused(spelling: str) -> None:
    with pytest.raises(ValidationError, match="Cosine"):
        from_wire(edgeshard.Distance, spelling)
