"""What estimates are written to: formats, result files, pictures."""
