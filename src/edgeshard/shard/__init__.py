"""edgeshard.shard."""
