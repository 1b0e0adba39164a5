"""The losses of the comparator, one a file."""
