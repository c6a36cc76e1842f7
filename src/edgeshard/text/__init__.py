"""edgeshard.text."""
