"""From a file's bytes to samples: libsndfile, FFmpeg, and what both get wrong."""
