"""Snapshots of a shard: tar archives in the layouts of a Qdrant server, full and partial.

In: an archive file, or an open shard. Out: a shard directory, a manifest, an archive. Own files: in a shard's root
``.edgeshard-unsynced-*`` after it was unpacked, ``.edgeshard-sync-*`` and ``.edgeshard-commit`` while a snapshot is
applied, ``sync_state.json`` ever after; in the archive everything around the segments. ``docs/format/snapshot.md``
describes the bytes.

    limits.py    what an archive may hold at most, and how a refusal is worded
    view.py      bytes of an archive: pieces of a file with holes between them
    tar_reader.py, tar_writer.py    the tar dialect of Qdrant, both ways
    layout.py    which entry is which file of a shard; the rules for names
    unpack.py, extract.py    an archive becomes a directory
    settle.py    that directory goes to the disk in the background
    manifest.py  which version every file of a segment has
    complete.py  which files a segment cannot be opened without
    merge.py, swap.py, apply.py     an archive becomes the new state of a shard, atomically
    state.py     what the last apply left, to notice local writes
    create.py    a shard becomes an archive while it stays in use
"""
