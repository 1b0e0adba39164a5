"""ID3 in MP3, WAV and AIFF."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from tempocli.audio.tags.family import ID3V1_SIZE, Tags, id3v1_of

_SEPARATOR = "; "
_SERATO = "Serato BeatGrid"


class Id3Tags(Tags):
    """Frames of ID3v2; the version of the tags, and an ID3v1 tag, stay as they are."""

    tempo_key = "TBPM"
    decimals: ClassVar[int] = 0

    def field(self, name: str) -> list[str]:
        """Return the values of a field."""
        return self.values(f"TXXX:{name}")

    def values(self, key: str) -> list[str]:
        """Return the values of a key, as text."""
        return [str(text) for frame in self._frames(key) for text in frame.text]

    def write_tempo(self, text: str) -> None:
        """Write a tempo, as `text` formats it."""
        from mutagen.id3 import TBPM, Encoding

        self._write("TBPM", TBPM(encoding=Encoding.LATIN1, text=[text]))

    def write_field(self, name: str, values: list[str]) -> None:
        """Write the values of a field."""
        from mutagen.id3 import TXXX, Encoding

        # ID3 2.3 has no fields of several values.
        text = [_SEPARATOR.join(values)]
        self._write(f"TXXX:{name}", TXXX(encoding=Encoding.UTF16, desc=name, text=text))

    def serato(self) -> bytes | None:
        """Return the beat grid of Serato DJ, if there is one."""
        frames = self._frames(f"GEOB:{_SERATO}")
        return bytes(frames[0].data) if frames else None

    def write_serato(self, grid: bytes | None) -> None:
        """Write a beat grid of Serato DJ, or remove it."""
        from mutagen.id3 import GEOB, Encoding

        if grid is not None:
            kind = "application/octet-stream"
            frame = GEOB(encoding=Encoding.LATIN1, mime=kind, desc=_SERATO, data=grid)
            self._write(f"GEOB:{_SERATO}", frame)
        elif self.file.tags is not None:
            self._write(f"GEOB:{_SERATO}", None)

    def _frames(self, key: str) -> list[Any]:
        return [] if self.file.tags is None else list(self.file.tags.getall(key))

    def _write(self, key: str, frame: Any) -> None:
        from mutagen.mp3 import MP3

        file = self.file
        if file.tags is None:
            file.add_tags()
            version = 3  # supported by all players
        else:
            version = 4 if file.tags.version[1] == 4 else 3
        file.tags.setall(key, [] if frame is None else [frame])
        if version == 3:
            # mutagen has converted the tags that it read to version 2.4.
            file.tags.update_to_v23()
        old = id3v1_of(self.path)
        file.save(v2_version=version)
        if isinstance(file, MP3) and old is not None:
            # It has been made anew from the other tags, which need not say the same.
            with open(self.path, "r+b") as raw:
                raw.seek(-ID3V1_SIZE, os.SEEK_END)
                raw.write(old)
