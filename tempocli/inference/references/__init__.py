"""References: clips of known tempo to compare music with (Henkel 2024)."""
