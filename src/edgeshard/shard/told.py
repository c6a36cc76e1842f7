"""Functions of the caller that long work calls: it is told how far it is, and asked whether to stop.

What they raise is for the caller: handlers that are meant for damage and for refusals of the disk must not take it for
one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from edgeshard.shard.optimizer.arguments import check_progress

Told = Callable[[str, float], None]
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class _Carried(BaseException):
    """Carries what a function of the caller raised past all handlers."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def carrying(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function of the caller, to be called inside of :func:`passing_on`."""

    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            raise _Carried(error) from None

    return call


def telling(on_progress: Told | None) -> Told | None:
    """:func:`carrying` of a function that is told how far work is.

    Raises:
        TypeError: it cannot be called.
    """
    told = check_progress(on_progress)
    return None if told is None else carrying(told)


def passing_on(work: Callable[[], Result]) -> Result:
    """What some work returns; if a function of :func:`carrying` raises, it ends with that."""
    try:
        return work()
    except _Carried as carried:
        error = carried.error
    raise error
