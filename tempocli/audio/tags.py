"""Read and write the tempo in the tags of audio files, with mutagen (extra ``tags``).

ID3, Vorbis comments and MP4 are supported. Tags are written atomically: a copy is changed and then
replaces the file in one step.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tempocli.errors import MissingExtraError, TagError
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ID3V1_SIZE = 128
_SEPARATOR = "; "
_SERATO_NAME, _SERATO_VORBIS = "Serato BeatGrid", "SERATO_BEATGRID"
_SERATO_MP4 = "----:com.serato.dj:beatgrid"
_SERATO_HEAD = b"application/octet-stream\0\0Serato BeatGrid\0"
_MP4_KEY = "----:com.apple.iTunes:"
_COPY_SIZE = 1 << 20
# Errors that mutagen raises for damaged files, in addition to its own.
_OF_BROKEN_FILES = (struct.error, LookupError, OverflowError, RecursionError, ValueError)


def require() -> None:
    """Raise MissingExtraError if mutagen is not installed."""
    try:
        import mutagen  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reading and writing tags", "tags") from error


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
    with _errors(path):
        return _Tags(path).tempo()


def tag_text(path: str, bpm: float) -> str:
    """Format a tempo for the tags of a file: an integer for ID3 and MP4, otherwise up to two decimals.

    Raises
    ------
    As `read_tempo`.
    """
    with _errors(path):
        return _Tags(path).text(bpm)


def write_tempo(path: str, bpm: float) -> None:
    """Write a tempo into the tags of a file; the audio and the other tags are kept.

    The write is atomic: a copy in the same folder is changed and then replaces the file. Symbolic links are
    followed. Other hard links to the file keep the old content.

    Parameters
    ----------
    path : str
        An audio file.
    bpm : float
        Tempo in BPM.

    Raises
    ------
    As `read_tempo`; TagError also if the file is read-only, has changed meanwhile, or cannot be replaced.
    """
    _rewrite(path, lambda tags: tags.write(bpm))


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
    with _errors(path):
        return _SEPARATOR.join(_Tags(path).field(field)) or None


def write_field(path: str, field: str, value: str) -> None:
    """Write a field of the tags of a file; the audio and the other tags are kept.

    The field is a Vorbis comment of that name, a ``TXXX`` frame of ID3, or a free-form atom of MP4. The write
    is atomic, as that of `write_tempo`.

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
    _rewrite(path, lambda tags: tags.write_field(field, values))


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
    with _errors(path):
        return _Tags(path).serato()


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
    _rewrite(path, lambda tags: tags.write_serato(grid))


def _rewrite(path: str, change: Callable[[_Tags], None]) -> None:
    """Change the tags of a copy of a file, which then replaces the file."""
    target = os.path.realpath(path)
    with _errors(path):
        if not os.access(target, os.W_OK):
            raise TagError(path, "is read-only")
        before = os.stat(target)
        # The copy keeps the suffix, which mutagen uses, but not the name, which may have the maximum length.
        suffix = os.path.splitext(target)[1]
        copy, raw = temporary.make_file(os.path.dirname(target), suffix, mode=0o600)
        try:
            with open(target, "rb") as original:
                shutil.copyfileobj(original, raw, _COPY_SIZE)
            shutil.copystat(target, copy)
            with suppress(PermissionError, AttributeError):  # superuser only; Windows has no owners
                os.chown(copy, before.st_uid, before.st_gid)
            change(_Tags(copy))
            _sync(copy)
            now = os.stat(target)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise TagError(path, "was changed by somebody else meanwhile")
            temporary.give_name(copy, raw, target)
        finally:
            temporary.discard(copy, raw)


def is_same(old: str, bpm: float) -> bool:
    """Return whether a tag already has a tempo, compared to the decimals of the tag."""
    try:
        value = float(old)
    except ValueError:
        return False
    decimals = len(old.partition(".")[2].strip())
    return abs(round(bpm, decimals) - value) < 0.5 * 10.0**-decimals


class _Tags:
    """The tags of a file of any supported kind."""

    def __init__(self, path: str) -> None:
        import mutagen

        # Checked before opening, because opening a FIFO waits for its writer.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise TagError(path, "not a regular file")
        self._path = path
        self._file: Any = mutagen.File(path)
        self._kind = _kind_of(self._file)
        if self._kind is None:
            raise TagError(path, "tags of this kind of file are not supported")
        self._tags: Any = self._file.tags

    def tempo(self) -> str | None:
        if self._tags is None:
            return None
        if self._kind == "id3":
            values = [text for frame in self._tags.getall("TBPM") for text in frame.text]
        else:
            values = self._tags.get("tmpo" if self._kind == "mp4" else "bpm", [])
        said = [text for value in values if (text := str(value).strip()).strip("0.")]
        return said[0] if said else None

    def text(self, bpm: float) -> str:
        if self._kind == "vorbis":
            return f"{bpm:.2f}".rstrip("0").rstrip(".")
        return str(round(bpm))

    def field(self, name: str) -> list[str]:
        if self._tags is None:
            return []
        if self._kind == "id3":
            frames = self._tags.getall(f"TXXX:{name}")
            return [str(text) for frame in frames for text in frame.text]
        if self._kind == "mp4":
            return [bytes(value).decode("utf-8", "replace") for value in self._tags.get(_MP4_KEY + name, [])]
        return [str(value) for value in self._tags.get(name, [])]

    def write_field(self, name: str, values: list[str]) -> None:
        if self._kind == "id3":
            from mutagen.id3 import TXXX, Encoding

            # ID3 2.3 has no fields of several values.
            frame = TXXX(encoding=Encoding.UTF16, desc=name, text=[_SEPARATOR.join(values)])
            _write_id3(self._path, self._file, f"TXXX:{name}", frame)
            return
        if self._tags is None:
            self._file.add_tags()
        if self._kind == "mp4":
            self._file[_MP4_KEY + name] = [value.encode() for value in values]
        else:
            self._file[name] = values
        self._file.save()

    def serato(self) -> bytes | None:
        if self._tags is None:
            return None
        if self._kind == "id3":
            frames = self._tags.getall(f"GEOB:{_SERATO_NAME}")
            return bytes(frames[0].data) if frames else None
        values = self._tags.get(_SERATO_MP4 if self._kind == "mp4" else _SERATO_VORBIS, [])
        if not values:
            return None
        text = bytes(values[0]) if self._kind == "mp4" else str(values[0]).encode()
        packed = b"".join(text.split())
        head, found, data = base64.b64decode(packed + b"=" * (-len(packed) % 4)).partition(_SERATO_HEAD)
        if head or not found:
            raise TagError(self._path, "has a beat grid of Serato that cannot be read")
        return data

    def write_serato(self, grid: bytes | None) -> None:
        if self._kind == "vorbis" and type(self._file).__name__ != "FLAC":
            raise TagError(self._path, "Serato's grids in this kind of file are not known")
        if self._tags is None and grid is None:
            return
        if self._kind == "id3":
            from mutagen.id3 import GEOB, Encoding

            frame = GEOB(
                encoding=Encoding.LATIN1, mime="application/octet-stream", desc=_SERATO_NAME, data=grid or b""
            )
            _write_id3(self._path, self._file, f"GEOB:{_SERATO_NAME}", None if grid is None else frame)
            return
        if self._tags is None:
            self._file.add_tags()
        key = _SERATO_MP4 if self._kind == "mp4" else _SERATO_VORBIS
        if grid is None:
            if key in self._file.tags:
                del self._file.tags[key]
        else:
            packed = base64.b64encode(_SERATO_HEAD + grid).rstrip(b"=")
            # Line feeds after 72 characters are Serato's own, and only in FLAC.
            lines = [packed[place : place + 72] for place in range(0, len(packed), 72)]
            self._file[key] = [packed] if self._kind == "mp4" else [b"\n".join(lines).decode()]
        self._file.save()

    def write(self, bpm: float) -> None:
        if self._kind == "id3":
            from mutagen.id3 import TBPM, Encoding

            frame = TBPM(encoding=Encoding.LATIN1, text=[self.text(bpm)])
            _write_id3(self._path, self._file, "TBPM", frame)
            return
        if self._tags is None:
            self._file.add_tags()
        if self._kind == "mp4":
            self._file["tmpo"] = [int(self.text(bpm))]
        else:
            self._file["BPM"] = [self.text(bpm)]
        self._file.save()


def _kind_of(file: Any) -> str | None:
    from mutagen.aiff import AIFF
    from mutagen.flac import FLAC
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.ogg import OggFileType
    from mutagen.wave import WAVE

    kinds = {"id3": MP3 | WAVE | AIFF, "mp4": MP4, "vorbis": FLAC | OggFileType}
    return next((kind for kind, types in kinds.items() if isinstance(file, types)), None)


def _write_id3(path: str, file: Any, key: str, frame: Any) -> None:
    from mutagen.mp3 import MP3

    if file.tags is None:
        file.add_tags()
        version = 3  # supported by all players
    else:
        version = 4 if file.tags.version[1] == 4 else 3
    file.tags.setall(key, [] if frame is None else [frame])
    if version == 3:
        # mutagen has converted the tags that it read to version 2.4.
        file.tags.update_to_v23()
    old = _id3v1(path)
    file.save(v2_version=version)
    if isinstance(file, MP3) and old is not None:
        # It has been made anew from the other tags, which need not say the same.
        with open(path, "r+b") as raw:
            raw.seek(-_ID3V1_SIZE, os.SEEK_END)
            raw.write(old)


def _id3v1(path: str) -> bytes | None:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() < _ID3V1_SIZE:
            return None
        file.seek(-_ID3V1_SIZE, os.SEEK_END)
        tag = file.read()
    return tag if tag.startswith(b"TAG") else None


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _errors(path: str) -> Iterator[None]:
    require()
    from mutagen import MutagenError

    try:
        yield
    except MutagenError as error:
        raise TagError(path, " ".join(str(error).split()) or "its tags cannot be read") from error
    except OSError as error:
        raise TagError(path, error.strerror or str(error)) from error
    except _OF_BROKEN_FILES as error:
        raise TagError(path, "its tags cannot be read, or not be written anew: it is damaged") from error
