"""Write estimates: formats, result files, plots."""
