"""Imports are done before a process with threads forks.

Parts of this package are imported by the first call that needs them. Python holds a lock for each import, and a child
forked meanwhile by another thread inherits it locked by a thread it does not have: there the same import never ends.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import threading
from importlib import import_module

_PARTS = ("filter", "index", "models", "query", "segment", "shard", "storage", "text")
_OTHERS = ("ctypes", "json", "msgspec.json", "socket", "tempfile", "uuid", "zstandard")
"""What functions of this package import from elsewhere."""
_POOLED = frozenset({
    "edgeshard.shard.optimizer.background", "edgeshard.shard.snapshot.apply", "edgeshard.shard.snapshot.unpack",
})  # fmt: skip
"""What imports ``concurrent.futures``."""

_left: list[str] | None = None


def import_everything() -> None:
    """Import what calls of a shard may need, if another thread might be at it.

    The first import of ``concurrent.futures`` is left to the calls: it tells Python to acquire locks before a fork and
    to release them afterwards, and in the middle of one it is too late for the former. What another thread has begun is
    awaited all the same.
    """
    global _left
    if threading.active_count() == 1:
        return
    if _left is None:
        _left = [*_OTHERS]
        for part in _PARTS:
            package = f"edgeshard.{part}"
            _left += [module.name for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}.")]
    later = set() if "concurrent.futures.thread" in sys.modules else _POOLED.difference(sys.modules)
    for name in _left:
        if name not in later:
            try:
                import_module(name)
            except ImportError:
                continue  # of an optional dependency: whoever needs it is told
    _left = sorted(later)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=import_everything)
