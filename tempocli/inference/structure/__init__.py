"""Networks that find the structure of music."""
