"""Filters and payload operations: which points, and which parts of their payloads.

What comes in: a ``Filter`` of :mod:`edgeshard.models` and a view of one point (`check`) or of a segment
(`evaluate`); raw payloads for `selector`, decoded ones for `mutate`. What goes out: bool masks by offset, or
new payloads. No files on disk are ours: `columns` keeps what filters read of payloads in memory, in bounds, and
`selections` what filters have left of a segment.
"""
