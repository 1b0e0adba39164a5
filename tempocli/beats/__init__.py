"""Beats of music: from audio to beats, bars, grids and click tracks."""
