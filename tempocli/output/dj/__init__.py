"""Tempi and beat grids for DJ software."""
