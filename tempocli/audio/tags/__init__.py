"""Read and write the tempo in the tags of audio files, with mutagen (extra ``tags``).

ID3, Vorbis comments, MP4, APEv2 and ASF are supported; each family of formats has a module. Tags are written
atomically: a copy is changed and then replaces the file in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.audio.tags.kinds import open_tags
from tempocli.audio.tags.rewriting import errors, require, rewrite

if TYPE_CHECKING:
    from tempocli.audio.tags.family import Tags

__all__ = [
    "is_same",
    "read_field",
    "read_serato",
    "read_tempo",
    "require",
    "tag_text",
    "write_field",
    "write_serato",
    "write_tempo",
]

_SEPARATOR = "; "


def read_tempo(path: str) -> str | None:
    """Read the tempo from the tags of a file.

    Parameters
    ----------
    path : str
        An audio file.

    Returns
    -------
    str or None
        Text of the tag, which need not be a number; ``None`` if there is no tempo, or if it is 0, which
        means no tempo.

    Raises
    ------
    TagError
        If the file cannot be read, or its kind of tags is not supported.
    MissingExtraError
        If mutagen is not installed.
    """
    with errors(path):
        said = [text for value in open_tags(path).tempi() if (text := value.strip()).strip("0.")]
        return said[0] if said else None


def tag_text(path: str, bpm: float, decimals: int | None = None) -> str:
    """Format a tempo for the tags of a file.

    Parameters
    ----------
    path : str
        An audio file.
    bpm : float
        Tempo in BPM.
    decimals : int, optional
        Maximum number of decimals; by default none for ID3, whose standard has a whole number, and two for
        others. MP4 always has a whole number.

    Raises
    ------
    As `read_tempo`.
    """
    with errors(path):
        return open_tags(path).text(bpm, decimals)


def write_tempo(path: str, bpm: float, decimals: int | None = None) -> None:
    """Write a tempo into the tags of a file; the audio and the other tags are kept.

    The write is atomic: a copy in the same folder is changed and then replaces the file. Symbolic links are
    followed. Other hard links to the file keep the old content.

    Parameters
    ----------
    path : str
        An audio file.
    bpm : float
        Tempo in BPM.
    decimals : int, optional
        As for `tag_text`.

    Raises
    ------
    As `read_tempo`; TagError also if the file is read-only, has changed meanwhile, or cannot be replaced.
    """

    def change(tags: Tags) -> None:
        tags.write_tempo(tags.text(bpm, decimals))

    rewrite(path, change)


def read_field(path: str, field: str) -> str | None:
    """Read a field of the tags of a file, such as ``MOOD``; several values are joined by semicolons.

    Parameters
    ----------
    path : str
        An audio file.
    field : str
        Name of the field; see `write_field`.

    Returns
    -------
    str or None
        ``None`` if there is no such field, or it is empty.

    Raises
    ------
    As `read_tempo`.
    """
    with errors(path):
        return _SEPARATOR.join(open_tags(path).field(field)) or None


def write_field(path: str, field: str, value: str) -> None:
    """Write a field of the tags of a file; the audio and the other tags are kept.

    The field is a Vorbis comment, an APEv2 item or an ASF attribute of that name, a ``TXXX`` frame of ID3, or
    a free-form atom of MP4. The write is atomic, as that of `write_tempo`.

    Parameters
    ----------
    path : str
        An audio file.
    field : str
        Name of the field: letters, digits, spaces and underscores.
    value : str
        The value; several are separated by semicolons.

    Raises
    ------
    As `write_tempo`.
    """
    values = [each.strip() for each in value.split(_SEPARATOR.strip())]
    rewrite(path, lambda tags: tags.write_field(field, values))


def read_serato(path: str) -> bytes | None:
    """Return the beat grid that Serato DJ, or `write_serato`, has left in the tags of a file.

    Parameters
    ----------
    path : str
        An audio file.

    Raises
    ------
    As `read_tempo`.
    """
    with errors(path):
        return open_tags(path).serato()


def write_serato(path: str, grid: bytes | None) -> None:
    """Write the beat grid of Serato DJ to the tags of a file: MP3, AIFF, WAV, FLAC, MP4 and M4A.

    Parameters
    ----------
    path : str
        An audio file.
    grid : bytes or None
        See `tempocli.output.dj.serato.grid_bytes`; ``None`` removes it.

    Raises
    ------
    As `write_tempo`.
    """
    rewrite(path, lambda tags: tags.write_serato(grid))


def is_same(old: str, bpm: float) -> bool:
    """Return whether a tag already has a tempo, compared to the decimals of the tag."""
    try:
        value = float(old)
    except ValueError:
        return False
    decimals = len(old.partition(".")[2].strip())
    return abs(round(bpm, decimals) - value) < 0.5 * 10.0**-decimals
