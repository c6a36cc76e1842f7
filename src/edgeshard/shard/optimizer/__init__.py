"""Keeping the segments in good shape: merging small ones, dropping deleted points, building indexes.

In: the open segments and the optimiser settings. Out: new segments in place of old ones. Files: ``temp_segments/``
while a segment is being built.
"""
