"""edgeshard.storage."""
