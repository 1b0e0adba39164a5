"""Commands that find the structure of music: beats, bars and sections."""
