"""A MIDI file with the tempo map of a track, for sequencers and audio workstations.

The time line of the file is that of the audio: bar lines and beats of the sequencer lie on those of the
music. Written by the Standard MIDI Files 1.0 specification: format 0, one track.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

from tempocli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tempocli.output.formats import Layout
    from tempocli.schema import BeatTrack, FileResult

_TICKS = 960  # per quarter note
_SHORTEST_LEAD = 0.06  # seconds; sequencers know no tempo over 999 BPM
_SLOWEST = 0xFFFFFF  # microseconds per quarter note that an event can say


def write_midi(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[bytes]:
    """Write a tempo for each beat, or for each stretch of the grid, and the time signatures."""
    for result in results:
        if result.beats is None:
            continue
        beats = result.beats.beats
        if len(beats) < 2:
            raise OutputError("a tempo map needs two beats or more, which were not found")
        start = 0.0 if result.part is None else result.part.start
        times = _grid_times(result.beats) if grid else [beat.time for beat in beats]
        positions = [beat.position for beat in beats]
        yield _file(tempo_map([time - start for time in times], positions))


def tempo_map(times: Sequence[float], positions: Sequence[int]) -> list[tuple[int, bytes]]:
    """Return the events of a tempo map, each with its time in ticks; the last one ends the track.

    Before the first beat come as many beats as fit, in a bar of their own with those before the first
    downbeat. If the audio begins less than 60 ms before the first beat, the map begins with that beat.

    Parameters
    ----------
    times : sequence of float
        Of the beats from the start of the audio, in seconds; two or more.
    positions : sequence of int
        Positions in the bar, from 1.
    """
    lead = 0 if times[0] < _SHORTEST_LEAD else max(1, round(times[0] / (times[1] - times[0])))
    downbeats = [index for index, position in enumerate(positions) if position == 1]
    bars = {downbeat: after - downbeat for downbeat, after in pairwise(downbeats)}
    events: list[tuple[int, bytes]] = []
    metre = lead + (downbeats[0] if downbeats else 0)
    if metre:
        events.append((0, _time_signature(metre)))
    if lead:
        events.append((0, _tempo(round(1e6 * times[0] / lead))))
    passed = lead * round(1e6 * times[0] / lead) if lead else 0  # microseconds up to this beat in the file
    last = 0
    for index in range(len(times)):
        tick = (lead + index) * _TICKS
        if bars.get(index, metre) != metre:
            metre = bars[index]
            events.append((tick, _time_signature(metre)))
        if index + 1 < len(times):
            # From the sum so far, so that rounding does not add up.
            length = min(max(1, round(1e6 * times[index + 1]) - passed), _SLOWEST)
            if abs(length - last) > 1:
                events.append((tick, _tempo(length)))
                last = length
            passed += last
    events.append(((lead + len(times)) * _TICKS, b"\xff\x2f\x00"))
    return events


def _grid_times(track: BeatTrack) -> list[float]:
    """Return the times of the beats on the grid, in seconds."""
    times: list[float] = []
    for section in track.grid:
        own = track.beats[len(times) : len(times) + section.n_beats]
        downbeat = next((index for index, beat in enumerate(own) if beat.position == 1), 0)
        period = 60.0 / section.bpm
        times += [section.anchor + period * (index - downbeat) for index in range(section.n_beats)]
    return times


def _tempo(microseconds: int) -> bytes:
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def _time_signature(n_beats: int) -> bytes:
    """Return the event of a bar of quarter notes."""
    return bytes([0xFF, 0x58, 4, min(n_beats, 255), 2, 24, 8])


def _file(events: Sequence[tuple[int, bytes]]) -> bytes:
    track = b""
    now = 0
    for tick, event in events:
        track += _variable(tick - now) + event
        now = tick
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, _TICKS)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


def _variable(value: int) -> bytes:
    """Encode a number of ticks in groups of seven bits."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(groups[::-1])
