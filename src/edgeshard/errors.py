"""The exceptions of edgeshard.

::

    Exception
    └── EdgeShardError                   everything the engine raises on purpose
        ├── ValidationError              ValueError    a wrong value, refused before anything is written
        │   ├── ValueError                             a wrong argument of a constructor: path, date, id, formula, ...
        │   ├── TypeError              TypeError       a query vector whose rows are no vector: ragged or empty
        │   ├── VectorDimensionError                   a vector of the wrong length
        │   └── WrongVectorKindError                   sparse where dense is stored, and the like
        ├── NotFoundError                LookupError   a point, vector name or index that does not exist
        │   ├── PointNotFoundError
        │   ├── VectorNameNotFoundError
        │   └── IndexNotFoundError                     an order_by, facet or text query without its index
        ├── StorageError                 OSError       the disk refused
        │   ├── LockedError                            another handle holds the shard
        │   └── CorruptedError                         a file holds what it cannot hold
        ├── SnapshotError                ValueError    an archive that cannot be applied
        │   ├── BaseMismatchError                      a partial archive was made for another state of the shard
        │   └── DivergedError                          a mirror has local writes an apply would lose
        ├── SyncError                    ConnectionError  a server cannot be used; ``retryable`` says whether later
        ├── ClosedError                  RuntimeError  the shard was closed
        │   └── ForkedShardError                       the shard belongs to the parent process
        ├── ReadOnlyError                RuntimeError  a write to a shard opened for reading
        ├── ReentrantCallError           RuntimeError  a signal handler calls the shard whose call it interrupts
        └── CancelledError               RuntimeError  a long call was cancelled by its caller

    UserWarning
    └── EdgeShardWarning                 everything the engine warns of on purpose
        ├── UnindexedScanWarning                       searches scan more than the indexing threshold: optimize()
        ├── MemoryPlacementWarning                     the system refused to pin what is configured to be
        └── BackgroundOptimizeWarning                  a background optimisation failed unnoticed

Each leaf derives from the built-in it specialises, so ``except ValueError`` works, and all derive from
``Exception``, so code written for ``qdrant_edge``, which raises bare ``Exception``, keeps working.
Messages keep the prefixes of ``qdrant_edge`` because callers match on them.

``edgeshard.errors.ValueError`` and ``TypeError`` carry the names of the built-ins because ``qdrant_edge`` raises those
in the same places and callers compare ``type(error).__name__``. They are not exported; catch the built-in or
`ValidationError`.
"""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BackgroundOptimizeWarning",
    "BaseMismatchError",
    "CancelledError",
    "ClosedError",
    "CorruptedError",
    "DivergedError",
    "EdgeShardError",
    "EdgeShardWarning",
    "ForkedShardError",
    "IndexNotFoundError",
    "LockedError",
    "MemoryPlacementWarning",
    "NotFoundError",
    "PointNotFoundError",
    "ReadOnlyError",
    "ReentrantCallError",
    "SnapshotError",
    "StorageError",
    "SyncError",
    "UnindexedScanWarning",
    "ValidationError",
    "VectorDimensionError",
    "VectorNameNotFoundError",
    "WrongVectorKindError",
]


class EdgeShardError(Exception):
    """Base of everything the engine raises on purpose."""


class ValidationError(EdgeShardError, ValueError):
    """A value the engine refuses; nothing was written."""


class VectorDimensionError(ValidationError):
    """A vector whose length is not the configured size.

    Args:
        expected: the configured size.
        got: the length of the vector.
        name: the vector's name, empty for the unnamed one or if it is not known.
    """

    def __init__(self, expected: int, got: int, name: str = "") -> None:
        of = f" for vector {name!r}" if name else ""
        super().__init__(f"Vector dimension error: expected dim: {expected}, got {got}{of}")
        self.expected = expected
        self.got = got
        self.name = name

    def __reduce__(self) -> tuple[type[VectorDimensionError], tuple[int, int, str]]:
        return type(self), (self.expected, self.got, self.name)


class WrongVectorKindError(ValidationError):
    """A sparse, dense or multi-vector where another kind is stored."""


class NotFoundError(EdgeShardError, LookupError):
    """A point, vector name or index that does not exist."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PointNotFoundError(NotFoundError):
    """An update of a point that does not exist."""


class VectorNameNotFoundError(NotFoundError):
    """A vector name the shard does not have."""


class IndexNotFoundError(NotFoundError):
    """A request that needs a payload index which does not exist."""


def quoted(value: object, limit: int = 200) -> str:
    """A value of the caller for a message: its `repr`, cut, or its type where that fails (nested too deeply)."""
    try:
        text = repr(value)
    except Exception:  # the caller's own `__repr__` may raise anything; the error at hand is the one to report
        return f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}..."


class StorageError(EdgeShardError, OSError):
    """The file system refused an operation."""


class LockedError(StorageError):
    """Another handle, of this or another process, holds the shard."""


class CorruptedError(StorageError):
    """A file holds what it cannot hold.

    Args:
        path: the damaged file.
        reason: what is wrong with it.
        offset: where, in bytes from the start of the file, if known.
    """

    def __init__(self, path: object, reason: str, offset: int | None = None) -> None:
        where = f" at byte {offset}" if offset is not None else ""
        super().__init__(f"{path}{where}: {reason}")
        self.path: str = str(path)
        self.reason = reason
        self.offset = offset

    def __reduce__(self) -> tuple[type[CorruptedError], tuple[str, str, int | None]]:
        return type(self), (self.path, self.reason, self.offset)


class SnapshotError(EdgeShardError, ValueError):
    """An archive that is refused, with the entry and the rule it breaks."""


class BaseMismatchError(SnapshotError):
    """A partial archive leaves out files which the shard does not have, or not as the archive means them.

    An archive made for the manifest ``{}`` leaves nothing out.
    """


class DivergedError(SnapshotError):
    """A mirror has local writes which applying the snapshot would lose."""


class SyncError(EdgeShardError, ConnectionError):
    """A server that cannot be used.

    Args:
        message: what failed.
        retryable: whether trying again later helps.
        status: HTTP status, if there was an answer.
        retry_after: seconds the server asked to wait.
    """

    def __init__(
        self, message: str, *, retryable: bool, status: int | None = None, retry_after: float | None = None
    ) -> None:
        advice = "trying again later may help" if retryable else "trying again does not help"
        super().__init__(f"{message} ({advice})")
        self.message = message
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return _sync_error, (self.message, self.retryable, self.status, self.retry_after)


def _sync_error(message: str, retryable: bool, status: int | None, retry_after: float | None) -> SyncError:
    return SyncError(message, retryable=retryable, status=status, retry_after=retry_after)


class ClosedError(EdgeShardError, RuntimeError):
    """The shard was closed."""


class ForkedShardError(ClosedError):
    """The shard was opened by the parent process of this one; open it again here after the parent closed it."""


class ReadOnlyError(EdgeShardError, RuntimeError):
    """A write to a shard that was opened with ``read_only=True``."""


class ReentrantCallError(EdgeShardError, RuntimeError):
    """A call of a shard from the middle of another one by the same thread, as a signal handler makes it.

    It would wait for itself. The handler should set a flag, and the call be made when the first has returned.
    """


class CancelledError(EdgeShardError, RuntimeError):
    """A long call was cancelled by its caller; the shard is as it was."""


class EdgeShardWarning(UserWarning):
    """Base of everything the engine warns of, for :func:`warnings.filterwarnings`."""


class UnindexedScanWarning(EdgeShardWarning):
    """A search compared more unindexed vectors than the indexing threshold allows for: call ``optimize()``."""


class MemoryPlacementWarning(EdgeShardWarning):
    """The system refused to keep in memory what is configured to be pinned."""


class BackgroundOptimizeWarning(EdgeShardWarning):
    """``optimize(background=True)`` failed and nobody asked for its result."""


def warn_caller(message: str, category: type[EdgeShardWarning]) -> None:
    """Warn, naming the line that called the engine."""
    import os
    import sys
    import warnings

    package, level = os.path.dirname(__file__) + os.sep, 1
    frame = sys._getframe()
    while frame.f_code.co_filename.startswith(package) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class ValueError(ValidationError):  # last in the module: the classes above derive from the built-in
    """An argument that a constructor refuses: a path, date, id, coordinate, formula or setting that is none."""


class TypeError(ValidationError, builtins.TypeError):
    """A query vector of a shape no vector has: rows of different lengths, or none."""


ArgumentError = ValueError
ArgumentTypeError = TypeError
"""How the engine's own modules spell them, so that the built-ins are not shadowed there."""
