"""How the payload updates change a decoded payload, in place.

The order of keys is part of what is stored: a key that exists keeps its place, a new one goes last, and removing a
key moves the last one into its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgeshard.models.paths import ELEMENTS, Step, parse_path

__all__ = ["Change", "merger", "remover"]

Change: TypeAlias = "Callable[[dict[str, Any]], None]"
"""Changes a payload in place."""


def merger(new: dict[str, Any], key: str | None = None) -> Change:
    """What merges `new` into a payload, or into the object at the path `key`; both share values then.

    Each key of `new` replaces the old value as a whole; a null removes the key. On the way to `key` objects
    are created and whatever is not an object is replaced by one; ``[i]`` and ``[]`` go only to elements that
    exist and turn anything but an array into ``[]``.

    Raises:
        ValidationError: `key` is no valid path.
    """
    steps = () if key is None else parse_path(key).steps
    return lambda payload: _set_at(payload, steps, new)


def _set_at(target: Any, steps: tuple[Step, ...], new: dict[str, Any]) -> None:
    """Merge `new` at `steps` below `target`, a container of the kind the first step asks for."""
    if not steps:
        _merge(target, new)
        return
    step, rest = steps[0], steps[1:]
    wanted = dict if not rest or isinstance(rest[0], str) else list
    places: Any
    if isinstance(step, str):
        target.setdefault(step, None)
        places = (step,)
    elif step is ELEMENTS:
        places = range(len(target))
    else:
        places = (step,) if step < len(target) else ()
    for place in places:
        if not isinstance(target[place], wanted):
            target[place] = wanted()
        _set_at(target[place], rest, new)


def _merge(target: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if value is None:
            _remove_key(target, key)
        else:
            target[key] = value


def remover(paths: Sequence[str]) -> Change:
    """What removes from a payload what `paths` point to.

    A final ``[]`` empties an array, a final ``[i]`` does nothing.

    Raises:
        ValidationError: one of `paths` is no valid path.
    """
    parsed = [parse_path(path).steps for path in paths]

    def remove(payload: dict[str, Any]) -> None:
        for steps in parsed:
            _delete_at(payload, steps)

    return remove


def _delete_at(target: Any, steps: tuple[Step, ...]) -> None:
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if isinstance(target, dict) and step in target:
            if rest:
                _delete_at(target[step], rest)
            else:
                _remove_key(target, step)
    elif isinstance(target, list):
        if step is ELEMENTS and not rest:
            target.clear()
        elif rest:
            for element in target if step is ELEMENTS else target[step : step + 1]:
                _delete_at(element, rest)


def _remove_key(target: dict[str, Any], key: str) -> None:
    """Remove `key`; the last key takes its place in the order."""
    if key not in target:
        return
    last_key, last_value = target.popitem()
    if last_key == key:
        return
    entries = [(last_key, last_value) if entry[0] == key else entry for entry in target.items()]
    target.clear()
    target.update(entries)
