"""What the families of tags have in common."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any, ClassVar

from tempocli.errors import TagError

if TYPE_CHECKING:
    from collections.abc import Sequence

ID3V1_SIZE = 128
_SERATO_HEAD = b"application/octet-stream\0\0Serato BeatGrid\0"


class Tags:
    """The tags of a file, of one family of formats.

    Parameters
    ----------
    path : str
        The file.
    file : mutagen.FileType
        The file, as mutagen has opened it.
    """

    tempo_key = "BPM"
    decimals: ClassVar[int] = 2
    """Decimals of a tempo, if nobody asks for others."""

    def __init__(self, path: str, file: Any) -> None:
        self.path = path
        self.file = file

    def text(self, bpm: float, decimals: int | None) -> str:
        """Format a tempo; zeros at the end of decimals are left out."""
        text = f"{bpm:.{self.decimals if decimals is None else decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def tempi(self) -> list[str]:
        """Return what the tags have as tempi."""
        return self.values(self.tempo_key)

    def write_tempo(self, text: str) -> None:
        """Write a tempo, as `text` formats it."""
        self.set(self.tempo_key, [text])

    def field(self, name: str) -> list[str]:
        """Return the values of a field."""
        return self.values(name)

    def write_field(self, name: str, values: list[str]) -> None:
        """Write the values of a field."""
        self.set(name, values)

    def serato(self) -> bytes | None:
        """Return the beat grid of Serato DJ, if there is one."""
        return None

    def write_serato(self, grid: bytes | None) -> None:
        """Write a beat grid of Serato DJ, or remove it."""
        raise TagError(self.path, "Serato's grids in this kind of file are not known")

    def values(self, key: str) -> list[str]:
        """Return the values of a key, as text."""
        return [] if self.file.tags is None else [str(value) for value in self.file.tags.get(key, [])]

    def set(self, key: str, values: Sequence[Any] | None) -> None:
        """Set or remove a key, and save the tags."""
        if self.file.tags is None:
            if values is None:
                return
            self.file.add_tags()
        if values is None:
            if key not in self.file.tags:
                return
            del self.file.tags[key]
        else:
            self.file.tags[key] = values
        self.file.save()


def packed_grid(grid: bytes) -> bytes:
    """Return a grid as the text that Serato keeps in FLAC and MP4, without line feeds."""
    return base64.b64encode(_SERATO_HEAD + grid).rstrip(b"=")


def unpacked_grid(path: str, text: bytes) -> bytes:
    """Return the grid that `packed_grid` or Serato has packed."""
    packed = b"".join(text.split())
    head, found, data = base64.b64decode(packed + b"=" * (-len(packed) % 4)).partition(_SERATO_HEAD)
    if head or not found:
        raise TagError(path, "has a beat grid of Serato that cannot be read")
    return data


def id3v1_of(path: str) -> bytes | None:
    """Return the ID3v1 tag at the end of a file, if there is one."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() < ID3V1_SIZE:
            return None
        file.seek(-ID3V1_SIZE, os.SEEK_END)
        tag = file.read()
    return tag if tag.startswith(b"TAG") else None
