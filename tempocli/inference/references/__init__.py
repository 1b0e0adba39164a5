"""The clips of known tempo that music is compared with (Henkel 2024)."""
