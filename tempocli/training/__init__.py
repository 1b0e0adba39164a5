"""Training data and training; the only package of tempocli that may import torch."""
