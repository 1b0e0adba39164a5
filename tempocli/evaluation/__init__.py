"""Estimates against references: metrics, their intervals, and tables of annotations."""
