"""Paths into a payload: ``a.b``, ``a[0].b``, ``a[].b``, ``"odd key".b``.

::

    path := key ( "." key | "[" digits "]" | "[]" )*
    key  := raw | '"' any characters except '"' and '\\' '"'
    raw  := one or more of: Unicode alphanumeric, "_", "-"

A key steps only into objects, ``[i]`` and ``[]`` only into arrays; nothing is entered implicitly.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from edgeshard._native import split_text
from edgeshard.errors import ArgumentError, quoted

__all__ = ["ELEMENTS", "JsonPath", "Step", "parse_path"]

ELEMENTS = None
"""The step ``[]``: every element of an array."""

Step: TypeAlias = "str | int | None"
"""One step of a path: a key, an array position, or `ELEMENTS`."""

_MAX_INDEX = 2**64 - 1
_CACHE_SIZE = 4096
_cache: dict[str, JsonPath] = {}


class JsonPath:
    """A parsed path. Immutable; equal paths are equal however they were written.

    Attributes:
        steps: the steps, the first of them a key.
        text: the canonical spelling, keys quoted only where they must be.
    """

    __slots__ = ("steps", "text")

    steps: tuple[Step, ...]
    text: str

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.text = _spell(steps)

    @staticmethod
    def parse(text: str) -> JsonPath:
        """The path spelled by `text` (cached).

        Raises:
            ValidationError: `text` does not follow the grammar.
            TypeError: `text` is not a string.
        """
        return parse_path(text)

    def lookup(self, payload: Any) -> list[Any]:
        """All values found at this path below `payload`, in document order; missing parts give none."""
        found = [payload]
        for step in self.steps:
            if not found:
                break
            if isinstance(step, str):
                found = [value[step] for value in found if isinstance(value, dict) and step in value]
            elif step is ELEMENTS:
                found = [element for value in found if isinstance(value, list) for element in value]
            else:
                found = [value[step] for value in found if isinstance(value, list) and step < len(value)]
        return found

    def elements(self) -> JsonPath:
        """This path with ``[]`` appended, or itself if it already ends so."""
        return self if self.steps[-1] is ELEMENTS else JsonPath((*self.steps, ELEMENTS))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"JsonPath({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonPath) and self.steps == other.steps

    def __hash__(self) -> int:
        return hash(self.steps)

    def __reduce__(self) -> tuple[type[JsonPath], tuple[tuple[Step, ...]]]:
        return type(self), (self.steps,)


def parse_path(text: str) -> JsonPath:
    """The path spelled by `text` (cached).

    Raises:
        ValidationError: `text` does not follow the grammar.
        TypeError: `text` is not a string.
    """
    try:
        return _cache[text]
    except (KeyError, TypeError):
        if not isinstance(text, str):
            raise TypeError(f"expected a JSON path as a str, got {type(text).__name__}") from None
    try:
        path = JsonPath(_parse(text))
    except UnicodeEncodeError:
        raise ArgumentError(
            f"invalid JSON path {quoted(text)}: it holds half of a surrogate pair, which is no text"
        ) from None
    if len(_cache) >= _CACHE_SIZE:
        _cache.clear()
    _cache[text] = path
    return path


def _parse(text: str) -> tuple[Step, ...]:
    key, at = _parse_key(text, 0)
    steps: list[Step] = [key]
    while at < len(text):
        if text[at] == ".":
            key, at = _parse_key(text, at + 1)
            steps.append(key)
        elif text[at] == "[":
            position, at = _parse_position(text, at)
            steps.append(position)
        else:
            raise _bad_path(text, at, "expected '.', '[' or the end")
    return tuple(steps)


def _parse_key(text: str, at: int) -> tuple[str, int]:
    """The key that starts at `at`, and where it ends."""
    if text[at : at + 1] == '"':
        end = text.find('"', at + 1)
        if end < 0:
            raise _bad_path(text, at, "the quote is not closed")
        if "\\" in text[at:end]:
            raise _bad_path(text, at, "a quoted key cannot contain a backslash")
        return text[at + 1 : end], end + 1
    end = at
    while end < len(text) and _is_raw(text[end]):
        end += 1
    if end == at:
        raise _bad_path(
            text,
            at,
            "expected a key of letters, digits, _ and -, or one in double quotation marks,",
        )
    return text[at:end], end


def _parse_position(text: str, at: int) -> tuple[int | None, int]:
    """The array step whose bracket opens at `at`, and where it ends."""
    end = text.find("]", at)
    digits = text[at + 1 : end]
    if end < 0 or (digits and not (digits.isascii() and digits.isdigit())):
        raise _bad_path(text, at, "expected '[]' or '[number]'")
    if not digits:
        return ELEMENTS, end + 1
    if len(digits) > 40 or int(digits) > _MAX_INDEX:
        raise _bad_path(text, at, "the array position is too large")
    return int(digits), end + 1


def _is_raw(char: str) -> bool:
    if char.isalnum() or char in "_-":
        return True
    # Vowel signs, circled letters and the letters newer than Python's own tables are words to the tokenizer.
    return not char.isascii() and bool(split_text(char))


def _spell(steps: tuple[Step, ...]) -> str:
    parts: list[str] = []
    for step in steps:
        if isinstance(step, str):
            plain = step != "" and all(map(_is_raw, step))
            parts.append(("." if parts else "") + (step if plain else f'"{step}"'))
        else:
            parts.append("[]" if step is ELEMENTS else f"[{step}]")
    return "".join(parts)


def _bad_path(text: str, at: int, reason: str) -> ArgumentError:
    return ArgumentError(f"invalid JSON path {quoted(text)}: {reason} at character {at}")
