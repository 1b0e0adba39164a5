"""Engines that run a whole job, from the inputs to the output."""
