"""The losses of the contrastive encoder, one a file."""
