"""Click tracks: the clicks lie on the beats, to the sample, at the rate and the length of the music."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from bars import bars

from tempocli.beats.clicks import click_blocks, write_clicks
from tempocli.errors import AudioError
from tempocli.schema import Beat, Part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BEATS = [Beat(0.25 + 0.5003 * number, number % 4 + 1) for number in range(20)]


def starts(samples: NDArray[np.float64], rate: int) -> NDArray[np.int64]:
    """Return where clicks begin: samples far from 0 after 100 ms of nothing."""
    (loud,) = np.nonzero(np.abs(samples) > 0.3)
    return loud[np.diff(loud, prepend=-rate) > 0.1 * rate]


def read(data: bytes) -> tuple[NDArray[np.float64], int]:
    samples, rate = soundfile.read(io.BytesIO(data))
    return samples, rate


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("mp3", None)])
def test_clicks_lie_on_the_beats(tmp_path: Path, rate: int, suffix: str, subtype: str | None) -> None:
    path = tmp_path / f"music.{suffix}"
    soundfile.write(path, np.zeros((11 * rate, 2)), rate, subtype=subtype)
    out = io.BytesIO()
    write_clicks(path, BEATS, out)
    samples, found_rate = read(out.getvalue())
    assert found_rate == rate
    length = soundfile.info(path).frames
    assert len(samples) == length
    expected = np.array([beat.time * rate for beat in BEATS])
    assert np.abs(starts(samples, rate) - expected).max() <= 1.0


def test_the_music_is_there_with_other_clicks_on_downbeats(tmp_path: Path) -> None:
    music = soxr.resample(bars(112.0, seconds=12.0), 22050, 44100)
    path = tmp_path / "music.wav"
    soundfile.write(path, music, 44100, subtype="FLOAT")
    out = io.BytesIO()
    write_clicks(path, BEATS, out)
    samples, _ = read(out.getvalue())
    clicks = samples - 0.6 * music
    np.testing.assert_allclose(starts(clicks, 44100), [round(beat.time * 44100) for beat in BEATS], atol=1)
    down, other = (clicks[round(beat.time * 44100) :][:1500] for beat in BEATS[4:6])
    spectra = [np.abs(np.fft.rfft(sound)) for sound in (down, other)]
    hertz = [int(spectrum.argmax()) * 44100 / 1500 for spectrum in spectra]
    assert hertz == pytest.approx([1600.0, 1000.0], abs=50.0)


def test_a_part_has_the_length_of_the_part(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    soundfile.write(path, np.zeros(12 * 8000), 8000)
    out = io.BytesIO()
    write_clicks(path, BEATS, out, part=Part(2.0, 3.0))
    samples, rate = read(out.getvalue())
    assert len(samples) == 3 * rate
    inside = [beat.time - 2.0 for beat in BEATS if 2.0 <= beat.time < 5.0]
    np.testing.assert_allclose(starts(samples, rate), np.array(inside) * rate, atol=1)


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_blocks_do_not_matter(size: int) -> None:
    music = np.zeros(30_000, np.float32)
    beats = [Beat(time, 1) for time in (0.0, 0.5, 0.51, 3.7)]
    whole = np.concatenate(list(click_blocks([music], beats, 8000)))
    blocks = [music[first : first + size] for first in range(0, len(music), size)]
    np.testing.assert_array_equal(np.concatenate(list(click_blocks(blocks, beats, 8000))), whole)
    assert np.abs(whole).max() <= 1.0


def test_beats_outside_make_no_sound() -> None:
    beats = [Beat(0.1, 1), Beat(99.0, 1)]
    (block,) = click_blocks([np.zeros(8000, np.float32)], beats, 8000, start=10.0)
    assert not block.any()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("nothing")
    with pytest.raises(AudioError):
        write_clicks(tmp_path / "x.wav", BEATS, io.BytesIO())
