"""edgeshard."""
