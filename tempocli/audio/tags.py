"""The tempo in a file's own tags, read and written by mutagen (extra ``tags``): ID3, Vorbis comments, MP4.

A file is never written to: a copy is, which then takes its place in one step.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tempocli.errors import MissingExtraError, TagError
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID3V1_SIZE = 128
_COPY_SIZE = 1 << 20
# What mutagen raises, beside its own errors, about a file that is broken.
_OF_BROKEN_FILES = (struct.error, LookupError, OverflowError, RecursionError, ValueError)


def require() -> None:
    """Raise MissingExtraError when mutagen is not installed."""
    try:
        import mutagen  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reading and writing tags", "tags") from error


def read_tempo(path: str) -> str | None:
    """Read the tempo that a file's tags say.

    Parameters
    ----------
    path : str
        An audio file.

    Returns
    -------
    str or None
        As it is written there, which need not be a number; ``None`` when there is none, or 0, which stands
        for none.

    Raises
    ------
    TagError
        If the file cannot be read, or is of a kind whose tags are not supported.
    MissingExtraError
        If mutagen is not installed.
    """
    with _errors(path):
        return _Tags(path).tempo()


def tag_text(path: str, bpm: float) -> str:
    """Write a tempo as the tags of a file have it: whole for ID3 and MP4, else with up to two decimals.

    Raises
    ------
    As `read_tempo`.
    """
    with _errors(path):
        return _Tags(path).text(bpm)


def write_tempo(path: str, bpm: float) -> None:
    """Write a tempo into the tags of a file; its audio and its other tags stay.

    A copy beside it is changed and then takes its place: whatever happens, the file is the old or the new
    one. A link is followed. Other hard links to the file keep the old content.

    Parameters
    ----------
    path : str
        An audio file.
    bpm : float
        Tempo in BPM.

    Raises
    ------
    As `read_tempo`; TagError also if the file is read-only, was changed meanwhile, or cannot be replaced.
    """
    target = os.path.realpath(path)
    with _errors(path):
        if not os.access(target, os.W_OK):
            raise TagError(path, "is read-only")
        before = os.stat(target)
        # The suffix stays, for mutagen looks at it; the name, which may be as long as allowed, does not.
        suffix = os.path.splitext(target)[1]
        copy, raw = temporary.make_file(os.path.dirname(target), suffix, mode=0o600)
        try:
            with open(target, "rb") as original:
                shutil.copyfileobj(original, raw, _COPY_SIZE)
            shutil.copystat(target, copy)
            with suppress(PermissionError, AttributeError):  # only the superuser may; Windows has no owners
                os.chown(copy, before.st_uid, before.st_gid)
            _Tags(copy).write(bpm)
            _sync(copy)
            now = os.stat(target)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise TagError(path, "was changed by somebody else meanwhile")
            temporary.give_name(copy, raw, target)
        finally:
            temporary.discard(copy, raw)


def is_same(old: str, bpm: float) -> bool:
    """Tell whether a tag says a tempo already, to as many decimals as it has."""
    try:
        value = float(old)
    except ValueError:
        return False
    decimals = len(old.partition(".")[2].strip())
    return abs(round(bpm, decimals) - value) < 0.5 * 10.0**-decimals


class _Tags:
    """The tags of a file, whatever its kind."""

    def __init__(self, path: str) -> None:
        import mutagen

        # Before opening: opening a FIFO waits for its writer.
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

    def write(self, bpm: float) -> None:
        if self._kind == "id3":
            _write_id3(self._path, self._file, self.text(bpm))
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


def _write_id3(path: str, file: Any, text: str) -> None:
    from mutagen.id3 import TBPM, Encoding
    from mutagen.mp3 import MP3

    if file.tags is None:
        file.add_tags()
        version = 3  # which everybody reads
    else:
        version = 4 if file.tags.version[1] == 4 else 3
    file.tags.setall("TBPM", [TBPM(encoding=Encoding.LATIN1, text=[text])])
    if version == 3:
        # mutagen has made version 2.4 of what it read.
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
