"""Which family of tags a file has."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from tempocli.errors import TagError

if TYPE_CHECKING:
    from tempocli.audio.tags.family import Tags

_EBML = b"\x1aE\xdf\xa3"  # begins Matroska and WebM


def open_tags(path: str) -> Tags:
    """Open the tags of a file, by its content and, where that says too little, its extension.

    Raises
    ------
    TagError
        If it is not a regular file, or of a kind whose tags are not supported.
    """
    import mutagen

    # Checked before opening, because opening a FIFO waits for its writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise TagError(path, "not a regular file")
    file = mutagen.File(path)
    family = _family_of(file)
    if family is None:
        raise TagError(path, _refusal(path))
    return family(path, file)


def _refusal(path: str) -> str:
    with open(path, "rb") as raw:
        if raw.read(len(_EBML)) == _EBML:
            # FFmpeg could, but makes a new file, with another identity (SegmentUID).
            return "tags of Matroska cannot be written without changes to the rest of the file"
    return "tags of this kind of file are not supported"


def _family_of(file: Any) -> type[Tags] | None:
    from mutagen.aiff import AIFF
    from mutagen.asf import ASF
    from mutagen.flac import FLAC
    from mutagen.monkeysaudio import MonkeysAudio
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.musepack import Musepack
    from mutagen.ogg import OggFileType
    from mutagen.optimfrog import OptimFROG
    from mutagen.tak import TAK
    from mutagen.wave import WAVE
    from mutagen.wavpack import WavPack

    from tempocli.audio.tags.ape import ApeTags
    from tempocli.audio.tags.asf import AsfTags
    from tempocli.audio.tags.id3 import Id3Tags
    from tempocli.audio.tags.mp4 import Mp4Tags
    from tempocli.audio.tags.vorbis import VorbisTags

    families: dict[type[Tags], Any] = {
        Id3Tags: MP3 | WAVE | AIFF,
        Mp4Tags: MP4,
        VorbisTags: FLAC | OggFileType,
        ApeTags: WavPack | MonkeysAudio | Musepack | OptimFROG | TAK,
        AsfTags: ASF,
    }
    return next((family for family, types in families.items() if isinstance(file, types)), None)
