"""What a payload selector leaves of a payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from edgeshard._native import select_payload
from edgeshard.models.paths import parse_path
from edgeshard.models.selectors import Include, PayloadSelector

__all__ = ["Select", "compile_selector"]

Select: TypeAlias = Callable[["bytes | None"], "bytes | None"]
"""From a raw payload to what is wanted of it."""


def compile_selector(with_payload: bool | Sequence[str] | PayloadSelector | None) -> Select | None:
    """What to do to raw payloads for `with_payload` of a request; None if payloads are not wanted.

    Args:
        with_payload: None or False (no payload), True (all of it), a list of paths (include), or a
            ``PayloadSelector``.

    Raises:
        ValidationError: a path is not valid.
    """
    if with_payload is None or with_payload is False:
        return None
    if with_payload is True:
        return _identity
    selector = with_payload if isinstance(with_payload, PayloadSelector) else Include(with_payload)
    include, keys = isinstance(selector, Include), selector.keys
    paths = [parse_path(key).steps for key in keys]
    return lambda raw: None if raw is None else select_payload(raw, paths, include)


def _identity(raw: bytes | None) -> bytes | None:
    return raw
