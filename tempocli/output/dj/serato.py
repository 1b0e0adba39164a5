"""The beat grid in the tags of Serato DJ, as the project serato-tags describes it. Experimental."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempocli.output.dj.tracks import DjTrack


def grid_bytes(track: DjTrack) -> bytes:
    """Return the beat grid of a track.

    Each section of the grid but the last is a marker with its time in seconds and the beats until the next
    marker; the last has its time and its tempo. Numbers are big-endian, of 32 bits. Serato takes markers for
    downbeats, so that a section begins with its first one.

    Parameters
    ----------
    track : DjTrack
        With a grid.
    """
    markers = []
    index = 0
    for section in track.grid:
        own = track.beats[index : index + section.n_beats]
        downbeat = next((place for place, beat in enumerate(own) if beat.position == 1), 0)
        markers.append((max(0.0, section.anchor), index + downbeat, section.bpm))
        index += section.n_beats
    data = struct.pack(">BBI", 1, 0, len(markers))
    for number, (time, place, bpm) in enumerate(markers):
        if number + 1 < len(markers):
            data += struct.pack(">fI", time, markers[number + 1][1] - place)
        else:
            data += struct.pack(">ff", time, bpm)
    return data + b"\0"
