"""The contrastive encoder: similar embeddings for excerpts of the same track (McCallum 2022)."""
