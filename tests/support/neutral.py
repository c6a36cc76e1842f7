"""Requests without objects of either engine: one can be built for both and the answers compared."""

from __future__ import annotations

from functools import reduce
from typing import Any


class Call:
    """A constructor call: built by naming the module that has the class.

    Args:
        name: the class, possibly dotted (``Query.Nearest``).
        args: positional arguments, neutral themselves.
        kwargs: keyword arguments, neutral themselves.
    """

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs

    def __repr__(self) -> str:
        inside = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(inside)})"

    def but(self, **changes: Any) -> Call:
        """The same call with other keyword arguments; None removes one."""
        kwargs = {name: value for name, value in {**self.kwargs, **changes}.items() if value is not None}
        return Call(self.name, *self.args, **kwargs)


class Member:
    """A member of an enumeration, ``Direction.Desc``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def find(module: Any, dotted: str) -> Any:
    """What a dotted name means in a module."""
    return reduce(getattr, dotted.split("."), module)


def build(module: Any, node: Any) -> Any:
    """The live objects of `module` for a neutral node."""
    if isinstance(node, Call):
        kwargs = {name: build(module, value) for name, value in node.kwargs.items()}
        return find(module, node.name)(*(build(module, arg) for arg in node.args), **kwargs)
    if isinstance(node, Member):
        return find(module, node.name)
    return [build(module, item) for item in node] if isinstance(node, list) else node
