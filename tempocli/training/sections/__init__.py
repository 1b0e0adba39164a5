"""Training of the section encoder: which bars of a track belong together (McCallum 2019)."""
