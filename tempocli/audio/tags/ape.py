"""APEv2 in WavPack, Monkey's Audio, Musepack, OptimFROG and TAK."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tempocli.audio.tags.family import ID3V1_SIZE, Tags, id3v1_of
from tempocli.errors import TagError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LYRICS = (b"LYRICS200", b"LYRICSEND")


class ApeTags(Tags):
    """Items of text; their names are the same in lower and upper case."""

    def values(self, key: str) -> list[str]:
        """Return the values of a key, as text."""
        if self.file.tags is None or key not in self.file.tags:
            return []
        from mutagen.apev2 import TEXT

        item = self.file.tags[key]
        return [str(value) for value in item] if item.kind == TEXT else []

    def set(self, key: str, values: Sequence[Any] | None) -> None:
        """Set or remove a key, and save the tags."""
        old = id3v1_of(self.path)
        # mutagen cuts off what follows its tag.
        if old is not None and self._ends_in_lyrics():
            raise TagError(self.path, "has a Lyrics3 tag, which would be lost")
        super().set(key, values)
        if old is not None and id3v1_of(self.path) is None:
            with open(self.path, "ab") as file:
                file.write(old)

    def _ends_in_lyrics(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(-min(file.tell(), ID3V1_SIZE + len(_LYRICS[0])), os.SEEK_END)
            return file.read().startswith(_LYRICS)
