"""A caller's function that is told how far long work is. What it raises is for the caller: handlers that are meant for
damage and for refusals of the disk must not take it for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgeshard.shard.optimizer.arguments import check_progress

Told = Callable[[str, float], None]
Result = TypeVar("Result")


class _Carried(BaseException):
    """Carries what the function raised past all handlers."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def telling(on_progress: Told | None) -> Told | None:
    """The function, to be called inside of :func:`passing_on`.

    Raises:
        TypeError: it cannot be called.
    """
    told = check_progress(on_progress)
    if told is None:
        return None

    def tell(step: str, share: float) -> None:
        try:
            told(step, share)
        except BaseException as error:
            raise _Carried(error) from None

    return tell


def passing_on(work: Callable[[], Result]) -> Result:
    """What some work returns; if a function of :func:`telling` raises, it ends with that."""
    try:
        return work()
    except _Carried as carried:
        error = carried.error
    raise error
