"""What helps to use the commands: help texts in groups, completion in shells."""
