"""Training data and training; the only package of tempocli that imports torch."""
