"""Compute log-mel frames, onset strength and periodicity from samples, and cut windows."""
