"""edgeshard.segment."""
