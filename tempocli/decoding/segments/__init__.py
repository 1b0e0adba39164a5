"""The form of a song: from bars and what they sound like to sections and their repeats."""
