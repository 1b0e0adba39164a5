"""From tempo distributions to a tempo, its error, its confidence, and sections."""
