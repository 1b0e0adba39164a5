"""Read CUE sheets, which list the tracks of one or more audio files."""

from __future__ import annotations

import io
import logging
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tempocli.audio.files.entries import entry, legible
from tempocli.audio.formats import AUDIO_EXTENSIONS
from tempocli.schema import AudioInput, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_FRAMES = 75  # a second, as on a CD
_TIME = re.compile(r"(\d{1,5}):([0-5]?\d):(\d{1,2})", re.ASCII)
_MAX_TITLE = 1000  # characters
_TYPES = frozenset({"AIFF", "BINARY", "FLAC", "MOTOROLA", "MP3", "OGG", "WAVE"})


@dataclass(slots=True)
class _Track:
    number: str
    is_audio: bool
    file: int = -1  # the number of its FILE, where INDEX 01 is
    title: str = ""
    performer: str = ""
    start: int | None = None  # in frames
    problem: str = "has no INDEX 01"

    @property
    def name(self) -> str | None:
        return " - ".join(part for part in (self.performer, self.title) if part) or None


def read_cue(text: str, folder: str, name: str, *, quiet: bool) -> Iterator[AudioInput]:
    """Yield the audio tracks of a CUE sheet.

    A track begins at its INDEX 01 and ends at that of the next track of the same FILE; the last track ends
    with the file. If a FILE is missing, a file with the same name and another extension is used, since the
    audio may have been converted later.

    Parameters
    ----------
    text : str
        The sheet.
    folder : str
        Folder of the sheet.
    name : str
        Name of the sheet for messages.
    quiet : bool
        Whether to log no notes about data tracks.
    """
    files, tracks = _parse(text)
    last, file = -1, AudioInput(name)
    for track, end in zip(tracks, _ends(tracks), strict=True):
        if track.is_audio:
            if track.file != last:
                last, file = track.file, _audio_file(files[track.file], folder)
            yield _input(track, end, file)
        elif not quiet:
            logger.warning("%s: track %s is data, not audio: left out", name, track.number)


def _parse(text: str) -> tuple[list[str], list[_Track]]:
    files: list[str] = []
    tracks: list[_Track] = []
    for line in io.StringIO(text, newline=None):
        command, _, rest = line.strip().partition(" ")
        command, rest = command.upper(), rest.strip()
        if command == "FILE":
            files.append(_file_name(rest))
        elif command == "TRACK":
            number, _, kind = rest.partition(" ")
            tracks.append(_Track(number[:9], kind.strip().upper() == "AUDIO", len(files) - 1))
        elif tracks:
            _describe(tracks[-1], command, rest, len(files) - 1)
    return files, tracks


def _describe(track: _Track, command: str, rest: str, file: int) -> None:
    if command == "TITLE":
        track.title = legible(_unquoted(rest[:_MAX_TITLE]))
    elif command == "PERFORMER":
        track.performer = legible(_unquoted(rest[:_MAX_TITLE]))
    elif command == "INDEX":
        number, _, time = rest.partition(" ")
        if number in {"01", "1"}:
            track.file, track.start = file, _frames(time.strip())
            track.problem = "has an INDEX 01 that is no time"


def _frames(time: str) -> int | None:
    found = _TIME.fullmatch(time)
    if found is None or int(found[3]) >= _FRAMES:
        return None
    return (int(found[1]) * 60 + int(found[2])) * _FRAMES + int(found[3])


def _file_name(rest: str) -> str:
    if rest.startswith('"'):
        return rest[1:].rpartition('"')[0] or rest[1:]
    name, _, kind = rest.rpartition(" ")
    return name.rstrip() if kind.upper() in _TYPES else rest


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _ends(tracks: list[_Track]) -> list[int | None]:
    """Return the end of each track, in frames; None for the end of the file."""
    ends: list[int | None] = []
    file, following = -1, None
    for track in reversed(tracks):
        if track.file != file:
            file, following = track.file, None
        ends.append(following)
        if track.start is not None:
            following = track.start
    return ends[::-1]


def _input(track: _Track, end: int | None, file: AudioInput) -> AudioInput:
    if file.refusal is not None:
        return file
    if track.file < 0:
        return replace(file, refusal=f"track {track.number} has no FILE")
    if track.start is None:
        return replace(file, refusal=f"track {track.number} {track.problem}")
    if end is not None and end <= track.start:
        return replace(file, refusal=f"track {track.number} ends before it begins")
    duration = None if end is None else (end - track.start) / _FRAMES
    return replace(file, part=Part.of(track.start / _FRAMES, duration, track.name))


def _audio_file(name: str, folder: str) -> AudioInput:
    file = entry(name, folder)
    if file.refusal is not None or os.path.exists(file.path):
        return file
    stem = os.path.splitext(file.path)[0]
    for extension in (".flac", *sorted(AUDIO_EXTENSIONS)):
        for path in (stem + extension, stem + extension.upper()):
            if os.path.isfile(path):
                logger.info("%s is not there: %s is taken", file.path, path)
                return AudioInput(path)
    return file
