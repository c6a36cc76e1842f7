"""An unpacked snapshot whose bytes are still on their way to the disk.

File ``.edgeshard-unsynced-<running system>-<random>`` in the shard's root. It is the first thing made in the directory,
gets a byte once all of the directory is durable, and is removed by the first flush. While it is empty

* and the system runs on, everything can be read; the first flush brings the rest to the disk;
* and the system was started anew, the power may have failed too early: the shard is refused.

So an unpacked shard is whole or refused after a power loss, and unpacking need not wait for the disk. Nothing is
synced before the directory gets its name; what this builds on is that names made one after another are not lost the
other way round. Journals (ext4, xfs) and copy-on-write file systems (btrfs, zfs, f2fs) see to that; on others, and
where systems have no id, unpacking waits for the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files

PREFIX = ".edgeshard-unsynced-"
FAILED = f"{PREFIX}failed"
"""Takes the marker's place after a failed sync, as a later one may succeed without having written anything."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MOUNTS = Path("/proc/self/mountinfo")
ORDERED = frozenset({"ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "ubifs", "overlay", "tmpfs"})
"""File systems that do not lose an older name and keep a newer one."""


def running_system() -> str | None:
    """An id that changes when the system is started; None where there is none."""
    try:
        return BOOT_ID.read_text().strip() or None
    except OSError:
        return None


def can_settle_later(directory: Path) -> bool:
    """Whether a marker in a directory can be relied upon."""
    if running_system() is None:
        return False
    device = os.stat(directory).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in MOUNTS.read_text().splitlines():
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1] in ORDERED
    return False


def mark(root: Path) -> None:
    """Put a marker into a directory that is still empty and does not have its final name."""
    name = f"{PREFIX}{running_system()}-{files.random_suffix(8)}"
    os.close(files.disk.open(root / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def is_marked(root: Path) -> bool:
    """Whether a shard was unpacked and not flushed since."""
    return any(name.startswith(PREFIX) for name in os.listdir(root))


def unsettled(root: Path) -> list[str]:
    """Names of the markers that say that something is not on the disk."""
    return [name for name in os.listdir(root) if name.startswith(PREFIX) and _is_empty(root / name)]


def _is_empty(marker: Path) -> bool:
    try:
        return not os.stat(marker).st_size
    except FileNotFoundError:
        return False  # a flush removed it in this moment


def check(root: Path) -> None:
    """Refuse a shard that a power loss may have cut.

    Raises:
        CorruptedError: it has the marker of a system that runs no more.
    """
    system = running_system()
    for name in unsettled(root):
        if system is None or not name.startswith(PREFIX + system):
            raise CorruptedError(
                root / name,
                "the system went down, or the disk failed, before this unpacked snapshot was on the disk: unpack it "
                "again, or run `python -m edgeshard repair` to keep what is there",
            )


def settle(root: Path) -> None:
    """Make all of a marked shard durable and remove the marker; for who has the shard open.

    Raises:
        CorruptedError: as :func:`check`.
        StorageError: the disk refused.
    """
    check(root)
    accept(root)
    for name in os.listdir(root):
        if name.startswith(PREFIX):
            files.disk.unlink(root / name)


def accept(root: Path) -> None:
    """Make all of a shard durable and say so in the marker, whichever system wrote that.

    Raises:
        StorageError: the disk refused.
    """
    try:
        if found := unsettled(root):
            files.disk.sync_directory(root)  # the marker before anything it is about
            files.disk.sync_directory(root.parent)
            for folder, _, names in os.walk(root):
                for name in names:
                    _sync(Path(folder, name))
                _sync_directory(Path(folder))
            for name in found:
                _note(root / name)
    except FileNotFoundError:
        return  # the shard was moved or removed meanwhile, with its marker
    except OSError as error:
        _distrust(root)
        raise StorageError(error.errno, f"cannot bring {root} to the disk: {error.strerror}") from error


def settle_later(root: Path) -> None:
    """:func:`accept` in a thread of its own, which the end of the program waits for.

    It changes no name, so that the directory can be moved or removed meanwhile. What it cannot do is left to the
    first flush.
    """
    Thread(target=_accept_quietly, args=(root,), name="edgeshard-settle", daemon=False).start()


def _accept_quietly(root: Path) -> None:
    try:
        accept(root)
    except StorageError:
        return  # the marker says so to whoever opens the shard


def _note(marker: Path) -> None:
    fd = files.disk.open(marker, os.O_WRONLY)
    try:
        files.disk.pwrite(fd, b"\n", 0)
        files.disk.sync(fd)
    finally:
        os.close(fd)


def _distrust(root: Path) -> None:
    try:
        os.close(files.disk.open(root / FAILED, os.O_WRONLY | os.O_CREAT))
    except OSError:
        return  # the marker stays, which is refused after the next start


def _sync(path: Path) -> None:
    """Make a file durable; an open shard may have removed it meanwhile."""
    try:
        fd = files.disk.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        files.disk.sync(fd)
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    try:
        files.disk.sync_directory(path)
    except FileNotFoundError:
        return
