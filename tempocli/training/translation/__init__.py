"""Translation of vectors to another tempo by a network (McCallum 2024, "Similar but faster")."""
