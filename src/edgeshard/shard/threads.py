"""Starting threads where the system may refuse: processes have limits."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from edgeshard.errors import StorageError

_T = TypeVar("_T")


def started(start: Callable[[], _T], purpose: str) -> _T:
    """What `start` returns, which starts a thread.

    Args:
        purpose: what for, after "a thread that ...".

    Raises:
        StorageError: the system has no thread to give.
    """
    try:
        return start()
    except RuntimeError as error:
        text = f"cannot start a thread that {purpose}: {error}; raise the limit of threads (ulimit -u) or of memory"
        raise StorageError(errno.EAGAIN, text) from error
