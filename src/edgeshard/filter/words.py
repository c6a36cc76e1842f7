"""The words of a text for text conditions on fields without a text index."""

from __future__ import annotations

from edgeshard.models.alphabetic import is_alphanumeric

__all__ = ["words"]


def words(text: str) -> list[str]:
    """The maximal runs of alphanumeric characters of `text`, lower-cased, in order."""
    if text.isalnum():
        return [text.lower()]
    return "".join(char if is_alphanumeric(char) else " " for char in text).lower().split()
