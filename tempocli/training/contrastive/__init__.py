"""The contrastive encoder: excerpts of one track are alike (McCallum 2022)."""
