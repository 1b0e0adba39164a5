"""The comparator: do two windows have the same tempo (Henkel 2024)."""
