"""edgeshard.models."""
