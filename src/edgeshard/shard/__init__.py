"""One directory of points: open, lock, log, updates, reads, optimisation.

In: requests and updates of :mod:`edgeshard.models`. Out: results. Files: ``edge_config.json``, and through
:mod:`edgeshard.storage` the log and the journal; the segments own theirs.
"""

from edgeshard.shard import forking as forking
from edgeshard.shard.shard import EdgeShard

__all__ = ["EdgeShard"]
