"""Runs over many inputs, from the inputs to the output: what a command, or a page, asks to be done."""
