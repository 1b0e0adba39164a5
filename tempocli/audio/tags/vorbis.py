"""Vorbis comments in FLAC and Ogg."""

from __future__ import annotations

from tempocli.audio.tags.family import Tags, packed_grid, unpacked_grid

_SERATO = "SERATO_BEATGRID"
_LINE = 72  # characters before a line feed: Serato's own, and only in FLAC


class VorbisTags(Tags):
    """Vorbis comments, whose names are the same in lower and upper case."""

    def serato(self) -> bytes | None:
        """Return the beat grid of Serato DJ, if there is one."""
        values = self.values(_SERATO)
        return unpacked_grid(self.path, values[0].encode()) if values else None

    def write_serato(self, grid: bytes | None) -> None:
        """Write a beat grid of Serato DJ, or remove it."""
        if type(self.file).__name__ != "FLAC":
            super().write_serato(grid)
        elif grid is None:
            self.set(_SERATO, None)
        else:
            text = packed_grid(grid).decode()
            lines = [text[place : place + _LINE] for place in range(0, len(text), _LINE)]
            self.set(_SERATO, ["\n".join(lines)])
