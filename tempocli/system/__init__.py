"""What the system gives: temporary files, locks, files that are whole or not there, fingerprints, threads."""
