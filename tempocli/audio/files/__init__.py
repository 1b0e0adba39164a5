"""Resolve files, folders, playlists and CUE sheets to audio inputs."""
