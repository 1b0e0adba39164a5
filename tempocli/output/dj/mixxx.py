"""Beat grids for the library of Mixxx, an SQLite database. Experimental.

The blobs are the protocol buffers of Mixxx's ``beats.proto``: a constant grid (``BeatGrid-2.0``) or a list of
beats (``BeatMap-1.0``), with positions in sample frames.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempocli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tempocli.output.dj.tracks import DjTrack

_GRID, _MAP = "BeatGrid-2.0", "BeatMap-1.0"
_COLUMNS = frozenset(
    {"id", "location", "samplerate", "bpm", "beats", "beats_version", "beats_sub_version", "bpm_lock"}
)
_FIND = """
    SELECT library.id, library.samplerate, library.bpm_lock FROM library
    JOIN track_locations ON library.location = track_locations.id WHERE track_locations.location = ?
"""
_UPDATE = "UPDATE library SET bpm = ?, beats = ?, beats_version = ?, beats_sub_version = ? WHERE id = ?"


@dataclass(frozen=True, slots=True)
class MixxxUpdate:
    """What was done to a library.

    Attributes
    ----------
    backup : str
        Path of the copy that was made before.
    n_updated, n_locked, n_unknown : int
        Tracks that were updated, that the user has locked, and that are not in the library.
    """

    backup: str
    n_updated: int
    n_locked: int
    n_unknown: int


def update_library(database: Path, tracks: Iterable[DjTrack]) -> MixxxUpdate:
    """Write tempi and beats into a library of Mixxx, after copying it.

    All tracks are updated, or none. Tracks whose tempo the user has locked are left alone.

    Parameters
    ----------
    database : Path
        The file ``mixxxdb.sqlite``; Mixxx must not be running.
    tracks : iterable of DjTrack

    Raises
    ------
    OutputError
        If it is no such library, or is in use.
    """
    if not database.is_file():
        raise OutputError(f"{database}: no such file")
    backup = _free_name(f"{database}.before-tempo-{time.strftime('%Y%m%d-%H%M%S')}")
    counts = {"updated": 0, "locked": 0, "unknown": 0}
    try:
        with closing(sqlite3.connect(database, timeout=1.0, isolation_level=None)) as library:
            columns = {row[1] for row in library.execute("PRAGMA table_info(library)")}
            if not columns >= _COLUMNS:
                raise OutputError(f"{database}: not a library of Mixxx")
            # So that all of it is in one file.
            library.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            # Held until the end, so that nobody else changes what was copied.
            library.execute("BEGIN EXCLUSIVE")
            if os.path.exists(f"{database}-wal") and os.path.getsize(f"{database}-wal"):
                raise OutputError(f"{database}: is in use; nothing was changed (is Mixxx running?)")
            _copy(database, backup)
            for track in tracks:
                counts[_update(library, track)] += 1
            library.execute("COMMIT")
    except sqlite3.Error as error:
        raise OutputError(f"{database}: {error}; nothing was changed (is Mixxx running?)") from error
    return MixxxUpdate(backup, counts["updated"], counts["locked"], counts["unknown"])


def _update(library: sqlite3.Connection, track: DjTrack) -> str:
    row = library.execute(_FIND, (track.path,)).fetchone()
    if row is None or not row[1]:
        return "unknown"
    identity, sample_rate, locked = row
    if locked:
        return "locked"
    blob, version = beats_blob(track, sample_rate)
    library.execute(_UPDATE, (track.bpm, blob, version, "", identity))
    return "updated"


def beats_blob(track: DjTrack, sample_rate: int) -> tuple[bytes, str]:
    """Return the beats of a track as Mixxx stores them, and the version of the format.

    Parameters
    ----------
    track : DjTrack
        With beats.
    sample_rate : int
        Of the file, in Hz.
    """
    if len(track.grid) != 1:
        beats = b"".join(_field(1, _beat(beat.time, sample_rate)) for beat in track.beats)
        return beats, _MAP
    section, first, _ = next(track.first_beats())
    bpm = b"\x09" + struct.pack("<d", section.bpm)
    return _field(1, bpm) + _field(2, _beat(first, sample_rate)), _GRID


def _beat(seconds: float, sample_rate: int) -> bytes:
    return b"\x08" + _varint(round(seconds * sample_rate))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _free_name(path: str) -> str:
    name, number = path, 1
    while os.path.lexists(name):
        number += 1
        name = f"{path}-{number}"
    return name


def _copy(database: Path, backup: str) -> None:
    try:
        shutil.copy2(database, backup)
    except OSError as error:
        raise OutputError(f"{backup}: {error.strerror}; nothing was changed") from error
