"""Music with a click on each beat, to hear whether the beats are right."""

from __future__ import annotations

import math
import wave
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio import open_audio
from tempocli.audio.parts import cut
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.schema import Beat, Part

_MUSIC_LEVEL, _CLICK_LEVEL = 0.6, 0.6
_CLICK_SECONDS = 0.04
_HERTZ, _DOWNBEAT_HERTZ = 1000.0, 1600.0
_LONGEST = 2_147_000_000  # samples; the header counts bytes in 32 bits


def click_blocks(
    blocks: Iterable[NDArray[np.float32]], beats: Sequence[Beat], sample_rate: int, *, start: float = 0.0
) -> Iterator[NDArray[np.float32]]:
    """Mix clicks into music; those of downbeats are higher.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape=(n_samples,)
        Consecutive mono samples, full scale 1.
    beats : sequence of Beat
        In time order.
    sample_rate : int
        In Hz.
    start : float
        Time of the first sample, in seconds.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        As many samples as were given. A click begins at the sample nearest to its beat.
    """
    sounds = {False: _click(_HERTZ, sample_rate), True: _click(_DOWNBEAT_HERTZ, sample_rate)}
    length = len(sounds[True])
    places = [round((beat.time - start) * sample_rate) for beat in beats]
    first = 0  # index of the first beat whose click has not ended
    n_seen = 0
    for block in blocks:
        mixed = block * np.float32(_MUSIC_LEVEL)
        end = n_seen + len(block)
        while first < len(places) and places[first] + length <= n_seen:
            first += 1
        for index in range(first, len(places)):
            place = places[index]
            if place >= end:
                break
            sound = sounds[beats[index].position == 1]
            low, high = max(place, n_seen), min(place + length, end)
            if high > low:
                mixed[low - n_seen : high - n_seen] += sound[low - place : high - place]
        n_seen = end
        yield np.clip(mixed, -1.0, 1.0)


def write_clicks(
    source: str | Path | BinaryIO, beats: Sequence[Beat], file: BinaryIO, *, part: Part | None = None
) -> None:
    """Write music with clicks as a WAV file, mono, of 16 bits, at the rate and the length of the music.

    Parameters
    ----------
    source : str, Path or binary file object
        The music; see `tempocli.audio.open_audio`.
    beats : sequence of Beat
        Times count from the start of the music.
    file : binary file object
        Open for writing; seekable.
    part : Part, optional
        The part of the music to write.

    Raises
    ------
    AudioError
        If the music cannot be read, or is longer than a WAV file can be.
    """
    with open_audio(source) as audio, wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(audio.sample_rate)
        blocks = audio.blocks()
        if part is not None:
            blocks = cut(blocks, part, sample_rate=audio.sample_rate, name=audio.name)
        start = 0.0 if part is None else part.start
        n_samples = 0
        for block in click_blocks(blocks, beats, audio.sample_rate, start=start):
            n_samples += len(block)
            if n_samples > _LONGEST:
                raise AudioError(audio.name, "is longer than a WAV file with clicks can be")
            target.writeframesraw(np.round(block * 32767.0).astype("<i2").tobytes())


def _click(hertz: float, sample_rate: int) -> NDArray[Any]:
    """Return a decaying tone that begins at its peak, so that its start can be measured."""
    time = np.arange(round(_CLICK_SECONDS * sample_rate)) / sample_rate
    tone = np.cos(2.0 * math.pi * hertz * time) * np.exp(-time / 0.008)
    return (_CLICK_LEVEL * tone).astype(np.float32)
