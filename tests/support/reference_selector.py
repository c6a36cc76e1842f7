"""What payload selectors leave, in plain Python: the native `select_payload` is compared with this."""

from __future__ import annotations

from typing import Any

from edgeshard.models.paths import ELEMENTS, Step, parse_path

_Paths = list[tuple[Step, ...]]


def select_include(payload: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """`payload` reduced to the subtrees at the paths `keys`; the structure around them is kept.

    Arrays are entered by ``[]`` only. A value where a path would go on but cannot (a number, a string) stays.
    """
    chosen: dict[str, Any] = _include(payload, [parse_path(key).steps for key in keys])
    return chosen


def select_exclude(payload: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """`payload` without the subtrees at the paths `keys`. Arrays are entered by ``[]`` only."""
    chosen: dict[str, Any] = _exclude(payload, [parse_path(key).steps for key in keys])
    return chosen


def _below(paths: _Paths, step: Step) -> _Paths:
    return [path[1:] for path in paths if path[0] == step]


def _include(value: Any, paths: _Paths) -> Any:
    """What `paths`, none of them at its end, keep of `value`."""
    if isinstance(value, dict):
        return {key: _keep(inner, below) for key, inner in value.items() if (below := _below(paths, key))}
    if isinstance(value, list):
        below = _below(paths, ELEMENTS)
        return [_keep(inner, below) for inner in value] if below else []
    return value


def _keep(value: Any, paths: _Paths) -> Any:
    return value if () in paths else _include(value, paths)


def _exclude(value: Any, paths: _Paths) -> Any:
    if not paths:
        return value
    if isinstance(value, dict):
        kept = ((key, inner, _below(paths, key)) for key, inner in value.items())
        return {key: _exclude(inner, below) for key, inner, below in kept if () not in below}
    if isinstance(value, list):
        below = _below(paths, ELEMENTS)
        return [] if () in below else [_exclude(inner, below) for inner in value]
    return value
