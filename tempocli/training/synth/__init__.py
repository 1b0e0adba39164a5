"""Synthetic music of known tempo: composed scores, scores from MIDI, and their rendering."""
