"""Decode activations of beats and downbeats: beats, bars, metre, grids."""
