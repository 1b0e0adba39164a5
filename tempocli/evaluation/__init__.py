"""Evaluate estimates against references: metrics, their intervals, and tables of annotations."""
