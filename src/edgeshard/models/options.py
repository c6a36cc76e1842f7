"""Switches for the whole process."""

from __future__ import annotations

__all__ = ["Options", "options"]


class Options:
    """The switches; there is one object, ``edgeshard.options``.

    Attributes:
        allow_nonfinite_vectors: store NaN and infinity in vectors. ``qdrant_edge`` does; such a point is
            never found and, under cosine, one NaN spoils the whole vector, so the default refuses them. Query
            vectors may always hold them (and find nothing).
        codes_limit_bytes: memory that byte codes, which make searches faster, and lists of links laid out for walks may
            take in all shards together; None for a quarter of the machine's memory, 0 for none. What is built already
            stays. Quantized codes and links that are configured to be in memory are kept there, and leave that much
            less.
        codes_for_cold_vectors: build them for vectors placed ``Memory.Cold`` too.
        keep_codes: keep the codes of optimised segments in files (``edgeshard.codes`` in the shard), about a third of
            the size of the vectors, so that searches after the next load need not build them; False: neither write
            such files nor use those that are there.
        keep_checksums: write the checksums of a shard's files when it is closed; False: neither compute nor write them,
            for shards that are opened or created from then on. Those that a shard has are still compared at load.
    """

    __slots__ = (
        "allow_nonfinite_vectors",
        "codes_for_cold_vectors",
        "codes_limit_bytes",
        "keep_checksums",
        "keep_codes",
    )

    def __init__(self) -> None:
        self.allow_nonfinite_vectors: bool = False
        self.codes_limit_bytes: int | None = None
        self.codes_for_cold_vectors: bool = False
        self.keep_codes: bool = True
        self.keep_checksums: bool = True


options: Options = Options()
