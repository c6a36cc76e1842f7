"""edgeshard.query."""
