"""Which files a list of files, folders, playlists and CUE sheets stands for."""
