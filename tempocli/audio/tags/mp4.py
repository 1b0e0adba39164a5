"""Atoms of MP4 and M4A."""

from __future__ import annotations

from tempocli.audio.tags.family import Tags, packed_grid, unpacked_grid

_FREE_FORM = "----:com.apple.iTunes:"
_SERATO = "----:com.serato.dj:beatgrid"


class Mp4Tags(Tags):
    """The tempo is the atom ``tmpo``, a whole number of two bytes."""

    tempo_key = "tmpo"

    def text(self, bpm: float, decimals: int | None) -> str:
        """Format a tempo, always as a whole number."""
        return str(round(bpm))

    def write_tempo(self, text: str) -> None:
        """Write a tempo, as `text` formats it."""
        self.set(self.tempo_key, [int(text)])

    def field(self, name: str) -> list[str]:
        """Return the values of a field."""
        tags = self.file.tags or {}
        return [bytes(value).decode("utf-8", "replace") for value in tags.get(_FREE_FORM + name, [])]

    def write_field(self, name: str, values: list[str]) -> None:
        """Write the values of a field."""
        self.set(_FREE_FORM + name, [value.encode() for value in values])

    def serato(self) -> bytes | None:
        """Return the beat grid of Serato DJ, if there is one."""
        values = (self.file.tags or {}).get(_SERATO, [])
        return unpacked_grid(self.path, bytes(values[0])) if values else None

    def write_serato(self, grid: bytes | None) -> None:
        """Write a beat grid of Serato DJ, or remove it."""
        self.set(_SERATO, None if grid is None else [packed_grid(grid)])
