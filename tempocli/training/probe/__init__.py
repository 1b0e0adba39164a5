"""Probes: classifiers of a user's own labels on the vectors of the music embedding; needs no torch."""
