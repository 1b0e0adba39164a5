"""Decode files to samples: libsndfile, FFmpeg, and repairs for what both get wrong."""
