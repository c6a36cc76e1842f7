"""The multilingual tokenizer: segmentation by script and normalisation after charabia's rules."""

from __future__ import annotations

import unicodedata

from edgeshard import _native

__all__ = ["split_multilingual"]


def split_multilingual(text: str, lowercase: bool, folding: bool) -> list[str]:
    """The tokens of a text in any script, in order with repeats.

    Args:
        text: any text.
        lowercase: whether tokens are lower-cased.
        folding: whether characters with an ASCII look-alike are replaced by it.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    tokens = _native.split_text(plain, 0, lowercase, folding)
    return [token for token in tokens if any(map(str.isalpha, token))]
