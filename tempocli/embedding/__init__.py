"""Music embeddings: vectors of tracks, what is like them, and an index of a library."""
