import os
import signal
import subprocess
import sys
import time

import pytest
import qdrant_edge as oracle

from edgeshard.errors import LockedError
from edgeshard.storage.lock import HOLDER_FILE, ShardLock, flock_holders


@pytest.fixture
def shard(tmp_path):
    config = oracle.EdgeConfig(vectors=oracle.EdgeVectorParams(size=2, distance=oracle.Distance.Dot))
    oracle.EdgeShard.create(str(tmp_path), config).close()
    return tmp_path


def test_excludes_itself_and_names_the_holder(shard):
    with ShardLock(shard) as lock:
        assert lock.held
        with pytest.raises(LockedError) as error:
            ShardLock(shard)
        message = str(error.value)
        assert message.startswith(f"failed to open WAL {shard}/wal: Can't init WAL: Kind(WouldBlock)")
        assert f"the shard is held by process {os.getpid()} on host" in message
    assert not (shard / HOLDER_FILE).exists()
    with ShardLock(shard):
        pass


def test_excludes_the_oracle_and_is_excluded(shard):
    with ShardLock(shard), pytest.raises(Exception, match="Can't init WAL: Kind\\(WouldBlock\\)"):
        oracle.EdgeShard.load(str(shard))
    loaded = oracle.EdgeShard.load(str(shard))
    with pytest.raises(LockedError, match=f"held by process {os.getpid()}"):
        ShardLock(shard)
    loaded.close()
    ShardLock(shard).release()


def test_locks_a_shard_without_a_log(tmp_path):
    with ShardLock(tmp_path), pytest.raises(LockedError):
        ShardLock(tmp_path)


def test_includes_a_log_made_later(tmp_path):
    with ShardLock(tmp_path) as lock:
        (tmp_path / "wal").mkdir()
        lock.include_wal()
        if os.path.exists("/proc/locks"):
            assert flock_holders(tmp_path / "wal") == {os.getpid()}


def test_waits_for_another_process(shard):
    code = (
        "import sys, time\nfrom edgeshard.storage.lock import ShardLock\n"
        "with ShardLock(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(0.3)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(shard)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(LockedError, match=f"process {process.pid} "):
            ShardLock(shard)
        started = time.monotonic()
        with ShardLock(shard, wait=10):
            assert time.monotonic() - started > 0.05


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(shard):
    lock = ShardLock(shard)
    ready, forked = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(forked, b"x")
        time.sleep(30)
        os._exit(0)
    try:
        os.read(ready, 1)
        lock.release()
        ShardLock(shard).release()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(forked)
