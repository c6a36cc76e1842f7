"""Keeping a shard in step with a Qdrant server.

In: a shard or a path, and where the server is. Out: a mirror of one server shard. No files of its own but a download
in progress. Needs the extra ``edgeshard[sync]`` (httpx). Imports the public API only.

    pull.py      restore or refresh a mirror
    client.py    requests with retries, time-outs, resume
    downloads.py where archives are put meanwhile
    complete.py  whether an archive arrived whole
    check.py     whether a collection's vectors are those of a shard
"""

from edgeshard.sync.client import RetryPolicy
from edgeshard.sync.pull import PullResult, pull

__all__ = ["PullResult", "RetryPolicy", "pull"]
