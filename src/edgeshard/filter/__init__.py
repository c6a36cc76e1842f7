"""edgeshard.filter."""
