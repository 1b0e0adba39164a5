"""From samples to log-mel frames, onset strength and periodicity, and windows of them."""
