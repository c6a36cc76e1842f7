"""Text indexes of optimised segments: the files Qdrant's engine uses, read in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.storage.overlay import PrivateFile

POSTINGS = "postings.dat"
VOCABULARY = "vocab.dat"
DISTINCT = "point_to_tokens_count.dat"
FREQUENCIES = "term_frequencies.dat"


def open_text_files(directory: Path, field: FieldSchema, points: int) -> _native.TextIndexFiles:
    """The index in a directory, mapped; posting lists are checked when they are first used.

    Args:
        directory: of the index.
        field: its schema.
        points: offsets of the segment, or elements of a nested index; the lists must name none beyond.

    Raises:
        CorruptedError: a file is missing or damaged.
    """
    vocabulary, postings, distinct = (
        PrivateFile(directory / name, read_only=True).array for name in (VOCABULARY, POSTINGS, DISTINCT)
    )
    frequencies = np.zeros(0, np.uint8)
    if field.scored:
        frequencies = PrivateFile(directory / FREQUENCIES, read_only=True).array
        if not len(frequencies):
            raise CorruptedError(directory / FREQUENCIES, "the file is empty")
    if len(distinct) % 8 or len(distinct) > 8 * points:
        reason = f"expected 8 bytes for each of at most {points} points, got {len(distinct)}"
        raise CorruptedError(directory / DISTINCT, reason)
    try:
        return _native.open_text_files(vocabulary, postings, distinct, frequencies, field.phrases, points)
    except ValueError as error:
        raise CorruptedError(directory / POSTINGS, str(error)) from error
