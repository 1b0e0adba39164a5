"""The losses of the tempo encoder, one a file."""
