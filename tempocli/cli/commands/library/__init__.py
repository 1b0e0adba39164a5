"""Commands for a library of music: vectors, an index, search and labels."""
