"""An index of a music library: a folder with the tempo, the vectors and the fingerprint of each track."""
