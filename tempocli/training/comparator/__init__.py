"""The comparator: whether two windows have the same tempo (Henkel 2024)."""
