"""Synthetic music of known tempo: scores, composed or read from MIDI, and their sound."""
