"""Disks that fail: one that forgets what was not synced, one that refuses or dies at a chosen call.

:class:`SimulatedDisk` carries every change out for real and remembers it. From what it remembers
:class:`PowerLoss` builds directories a machine could be left with if the power went at some moment:

* bytes that were not synced are there or not, sector by sector (512 bytes) or page by page (4 KiB), each as it was
  at some moment since the last sync;
* the length of a file that was not synced is any it had since;
* a name (of a new, renamed or removed file) is there only if its folder was synced since, else perhaps.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from edgeshard.storage.files import Disk, PathLike

PAGE = 4096


class Node:
    """A file or directory, whatever it is called."""

    __slots__ = ("children", "number")

    def __init__(self, number: int, children: dict[str, Node] | None) -> None:
        self.number = number
        self.children = children


class Event(NamedTuple):
    """One change: ``kind`` is write, size, sync, link, unlink, rename or sync_directory."""

    kind: str
    node: int
    arguments: tuple[Any, ...] = ()


class SimulatedDisk(Disk):
    """Changes everything for real below ``base`` and remembers every change.

    Args:
        base: an existing, empty directory, which counts as durable.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.events: list[Event] = []
        self.directories: set[int] = {0}
        self._root = Node(0, {})
        self._count = 1
        self._open: dict[int, Node] = {}

    @property
    def changes(self) -> int:
        """How many events there were."""
        return len(self.events)

    # --- the tree as it is now

    def _parts(self, path: PathLike) -> list[str] | None:
        relative = os.path.relpath(path, self.base)
        return None if relative.startswith("..") else [part for part in relative.split("/") if part != "."]

    def _find(self, parts: list[str]) -> Node | None:
        node: Node | None = self._root
        for part in parts:
            if node is None or node.children is None:
                return None
            node = node.children.get(part)
        return node

    def _note(self, kind: str, node: Node, *arguments: Any) -> None:
        self.events.append(Event(kind, node.number, arguments))

    def _link(self, parts: list[str], *, directory: bool) -> Node:
        parent = self._find(parts[:-1])
        assert parent is not None, f"{parts} lies in no directory made through the disk"
        assert parent.children is not None
        node = Node(self._count, {} if directory else None)
        self._count += 1
        if directory:
            self.directories.add(node.number)
        parent.children[parts[-1]] = node
        self._note("link", parent, parts[-1], node.number)
        return node

    # --- the disk

    def open(self, path: PathLike, flags: int, mode: int = 0o644) -> int:
        fd = super().open(path, flags, mode)
        parts = self._parts(path)
        if parts is not None:
            node = self._find(parts)
            if node is None and flags & os.O_CREAT:
                node = self._link(parts, directory=False)
            assert node is not None, f"{path} was not made through the disk"
            if flags & os.O_TRUNC:
                self._note("size", node, 0)
            self._open[fd] = node
        return fd

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        super().pwrite(fd, data, offset)
        self._note("write", self._open[fd], offset, bytes(data))

    def truncate(self, fd: int, size: int) -> None:
        super().truncate(fd, size)
        self._note("size", self._open[fd], size)

    def sync(self, fd: int) -> None:
        self._note("sync", self._open[fd])

    def sync_directory(self, path: PathLike) -> None:
        assert os.path.isdir(path)
        parts = self._parts(path)
        if parts is not None:
            node = self._find(parts)
            assert node is not None
            self._note("sync_directory", node)

    def rename(self, source: PathLike, target: PathLike) -> None:
        super().rename(source, target)
        old, new = self._parts(source), self._parts(target)
        assert old is not None
        assert new is not None
        before, after = self._find(old[:-1]), self._find(new[:-1])
        assert before is not None
        assert after is not None
        assert before.children is not None
        assert after.children is not None
        node = before.children.pop(old[-1])
        after.children[new[-1]] = node
        self._note("rename", after, new[-1], node.number, before.number, old[-1])

    def unlink(self, path: PathLike) -> None:
        super().unlink(path)
        self._forget(path)

    def _forget(self, path: PathLike) -> None:
        parts = self._parts(path)
        parent = None if parts is None else self._find(parts[:-1])
        if parts and parent is not None and parent.children and parent.children.pop(parts[-1], None):
            self._note("unlink", parent, parts[-1])

    def mkdir(self, path: PathLike) -> None:
        super().mkdir(path)
        parts = self._parts(path) or []
        for depth in range(1, len(parts) + 1):
            if self._find(parts[:depth]) is None:
                self._link(parts[:depth], directory=True)

    def remove_tree(self, path: PathLike) -> None:
        names = [os.path.join(folder, name) for folder, _, inside in os.walk(path) for name in inside]
        folders = [folder for folder, _, _ in os.walk(path, topdown=False)]
        super().remove_tree(path)
        for entry in (*names, *folders):
            self._forget(entry)


class UnsyncedDisk(Disk):
    """Waits for no sync: some ten times faster where only contents count, because nothing dies."""

    def sync(self, fd: int) -> None:
        os.fstat(fd)

    def sync_directory(self, path: PathLike) -> None:
        assert os.path.isdir(path)


class Sparse:
    """The bytes of a file, holes left out."""

    __slots__ = ("pages", "size")

    def __init__(self) -> None:
        self.pages: dict[int, bytes] = {}
        self.size = 0

    def copy(self) -> Sparse:
        other = Sparse()
        other.pages, other.size = dict(self.pages), self.size
        return other

    def apply(self, event: Event) -> None:
        """Carry out a write or a change of size."""
        if event.kind == "size":
            self.resize(event.arguments[0])
            return
        offset, data = event.arguments
        self.size = max(self.size, offset + len(data))
        for number in range(offset // PAGE, -(-(offset + len(data)) // PAGE)):
            start, stop = max(offset, number * PAGE), min(offset + len(data), (number + 1) * PAGE)
            page = bytearray(self.page(number))
            page[start - number * PAGE : stop - number * PAGE] = data[start - offset : stop - offset]
            self.pages[number] = bytes(page)

    def resize(self, size: int) -> None:
        if size < self.size:
            self.pages = {number: page for number, page in self.pages.items() if number * PAGE < size}
            if size % PAGE and size // PAGE in self.pages:
                self.pages[size // PAGE] = self.pages[size // PAGE][: size % PAGE].ljust(PAGE, b"\0")
        self.size = size

    def page(self, number: int) -> bytes:
        return self.pages.get(number, bytes(PAGE))

    def save(self, path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(self.size)
            for number, page in self.pages.items():
                file.seek(number * PAGE)
                file.write(page[: self.size - number * PAGE])


class PowerLoss:
    """What a disk may hold when the power goes; walks through the events of a :class:`SimulatedDisk` once."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._events = disk.events
        self._is_directory = disk.directories
        self._done = 0
        self._files: dict[int, Sparse] = {}
        self._pending: dict[int, list[Event]] = {}
        self._names: dict[int, dict[str, int]] = {0: {}}
        self._pending_names: list[Event] = []

    def advance(self, count: int) -> None:
        """Go on until ``count`` events have happened."""
        for event in self._events[self._done : count]:
            if event.kind in ("write", "size"):
                self._pending.setdefault(event.node, []).append(event)
            elif event.kind == "sync":
                file = self._files.setdefault(event.node, Sparse())
                for change in self._pending.pop(event.node, []):
                    file.apply(change)
            elif event.kind == "sync_directory":
                self._commit_names(event.node)
            else:
                self._pending_names.append(event)
        self._done = max(self._done, count)

    def _commit_names(self, directory: int) -> None:
        kept = []
        for event in self._pending_names:
            touched = {event.node, event.arguments[2]} if event.kind == "rename" else {event.node}
            if directory in touched:
                _change_name(self._names, event)
            else:
                kept.append(event)
        self._pending_names = kept

    def state(self, target: Path, rng: random.Random, style: str, *, keep_names: bool = False) -> None:
        """Write one directory the machine may be left with.

        Args:
            target: where; made.
            rng: makes the choices.
            style: ``"nothing"`` un-synced survives, ``"everything"`` does, ``"sectors"`` or ``"pages"`` at random,
                ``"names"``: all bytes and random names, or ``"journal"``: random bytes, and of the names those up to a
                random moment.
            keep_names: let no name be lost, whatever the style.
        """
        names = {number: dict(entries) for number, entries in self._names.items()}
        share = {"nothing": 0.0, "everything": 1.0}.get(style, rng.choice([0.0, 0.3, 0.7, 1.0]))
        last = rng.randint(0, len(self._pending_names))
        for number, event in enumerate(self._pending_names):
            if keep_names or (number < last if style == "journal" else rng.random() < share):
                _change_name(names, event)
        self._write_directory(target, 0, names, rng, style)

    def _write_directory(
        self, path: Path, number: int, names: dict[int, dict[str, int]], rng: random.Random, style: str
    ) -> None:
        path.mkdir()
        for name, child in names.get(number, {}).items():
            if child in self._is_directory:
                self._write_directory(path / name, child, names, rng, style)
            else:
                self._content(child, rng, style).save(path / name)

    def _content(self, number: int, rng: random.Random, style: str) -> Sparse:
        synced, pending = self._files.get(number, Sparse()), self._pending.get(number, [])
        if not pending or style == "nothing":
            return synced
        stages = [synced.copy()]
        for event in pending:
            stages.append(stages[-1].copy())
            stages[-1].apply(event)
        if style in ("everything", "names"):
            return stages[-1]
        return _mixed(stages, rng, 512 if style == "sectors" else PAGE)


def _mixed(stages: list[Sparse], rng: random.Random, unit: int) -> Sparse:
    """Every unit of the file as it was at some stage, and a length it had at some stage."""
    result = stages[0].copy()
    late = rng.random()  # some states have nearly everything, some nearly nothing
    result.resize(_moment(stages, rng, late).size)
    touched = {number for stage in stages for number in stage.pages if stage.page(number) != stages[0].page(number)}
    for number in touched:
        page = b"".join(_moment(stages, rng, late).page(number)[start : start + unit] for start in range(0, PAGE, unit))
        if number * PAGE < result.size:
            keep = min(PAGE, result.size - number * PAGE)
            result.pages[number] = page[:keep].ljust(PAGE, b"\0")
    return result


def _moment(stages: list[Sparse], rng: random.Random, late: float) -> Sparse:
    return stages[-1] if rng.random() < late else rng.choice(stages)


def _change_name(names: dict[int, dict[str, int]], event: Event) -> None:
    entries = names.setdefault(event.node, {})
    if event.kind == "link":
        entries[event.arguments[0]] = event.arguments[1]
    elif event.kind == "unlink":
        entries.pop(event.arguments[0], None)
    else:
        name, node, before, old = event.arguments
        if names.get(before, {}).get(old) == node:
            del names[before][old]
        entries[name] = node


class Killed(BaseException):
    """The process dies here; nothing catches it."""


class FaultyDisk(Disk):
    """A disk that does something at a chosen call.

    Args:
        at: the number of the call, from 0; counted over all calls that change something.
        action: called with the name of the call before it is carried out; may raise or never return.
        style: carry the call out ``"before"`` the action, ``"after"`` it, or only ``"half"`` of a write.
        lasting: act at every later call too.

    Attributes:
        changes: calls so far.
    """

    def __init__(self, at: int, action: Callable[[str], None], *, style: str = "after", lasting: bool = False) -> None:
        self.at = at
        self.changes = 0
        self._action = action
        self._style = style
        self._lasting = lasting
        self._counting = Lock()

    def _run(self, name: str, *arguments: Any) -> Any:
        with self._counting:
            number, self.changes = self.changes, self.changes + 1
        if number > self.at and self._lasting:
            self._action(name)
        if number != self.at:
            return getattr(Disk, name)(self, *arguments)
        if self._style == "before":
            result = getattr(Disk, name)(self, *arguments)
            self._action(name)
            return result
        if self._style == "half" and name == "pwrite":
            fd, data, offset = arguments
            super().pwrite(fd, memoryview(data).cast("B")[: len(data) // 2], offset)
        self._action(name)
        return getattr(Disk, name)(self, *arguments)

    def open(self, path: PathLike, flags: int, mode: int = 0o644) -> int:
        if not flags & os.O_CREAT:
            return super().open(path, flags, mode)
        return int(self._run("open", path, flags, mode))

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        self._run("pwrite", fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        self._run("truncate", fd, size)

    def sync(self, fd: int) -> None:
        self._run("sync", fd)

    def sync_directory(self, path: PathLike) -> None:
        self._run("sync_directory", path)

    def rename(self, source: PathLike, target: PathLike) -> None:
        self._run("rename", source, target)

    def unlink(self, path: PathLike) -> None:
        self._run("unlink", path)

    def mkdir(self, path: PathLike) -> None:
        self._run("mkdir", path)

    def remove_tree(self, path: PathLike) -> None:
        self._run("remove_tree", path)


def dying_disk(at: int, style: str) -> FaultyDisk:
    """A disk at whose call number ``at`` the process dies as far as the disk can tell: no later call works."""

    def die(name: str) -> None:
        raise Killed(name)

    return FaultyDisk(at, die, style=style, lasting=True)


def killing_disk(at: int, style: str) -> FaultyDisk:
    """A disk at whose call number ``at`` this process is killed."""
    return FaultyDisk(at, lambda name: os.kill(os.getpid(), signal.SIGKILL), style=style)


def crash_points(total: int, count: int, rng: random.Random) -> Iterator[int]:
    """Ascending moments at which to pull the plug, at most ``count``."""
    yield from sorted(rng.sample(range(total + 1), min(count, total + 1)))
