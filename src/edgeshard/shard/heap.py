"""Memory of the process that was freed, but that the allocator keeps.

glibc takes arrays of up to 32 MiB from its heap once some of that size have come and gone, and of the heap it gives
back only what is free at the end. What a graph of a million points was built with would stay in the process for good:
600 MB.
"""

from __future__ import annotations

LARGE_POINTS = 1 << 15
"""A shard of so many points has had so much in memory that giving it back is worth a few milliseconds."""


def give_back() -> None:
    """Let the system have it, where the allocator can do that. Takes milliseconds."""
    import ctypes  # not needed to import the package

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
