"""edgeshard.index."""
