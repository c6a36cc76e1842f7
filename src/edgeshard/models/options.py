"""Switches for the whole process."""

from __future__ import annotations

__all__ = ["Options", "options"]


class Options:
    """The switches; there is one object, ``edgeshard.options``.

    Attributes:
        allow_nonfinite_vectors: store NaN and infinity in vectors. ``qdrant_edge`` does; such a point is
            never found and, under cosine, one NaN spoils the whole vector, so the default refuses them. Query
            vectors may always hold them (and find nothing).
    """

    __slots__ = ("allow_nonfinite_vectors",)

    def __init__(self) -> None:
        self.allow_nonfinite_vectors = False


options = Options()
