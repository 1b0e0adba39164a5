"""The form of a song: from audio to sections and their repeats."""
