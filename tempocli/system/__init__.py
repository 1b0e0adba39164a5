"""System services: temporary files, locks, atomic files, fingerprints, threads."""
