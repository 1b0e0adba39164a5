"""Plots (extra ``plot``)."""
