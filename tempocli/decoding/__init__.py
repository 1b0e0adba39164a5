"""Decode tempo distributions into a tempo with its error and confidence, and into sections."""
