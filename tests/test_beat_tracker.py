"""From audio to beats and bars: music whose beats are known, and what must hold whatever the music."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from bars import bars, beats_of
from drums import hat, kick, snare

from tempocli import BeatTracker, track_beats
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.schema import BeatTrack

RATE = 22050
# The metres of computer-made music; six is taken for three where nothing but chords tells them apart.
MUSIC = [(112.0, 4), (90.0, 3), (140.0, 4), (100.0, 5), (150.0, 3), (120.0, 7), (80.0, 4)]


@pytest.fixture(scope="module")
def tracker() -> BeatTracker:
    return BeatTracker(device="cpu")


def times_of(track: BeatTrack) -> NDArray[np.float64]:
    return np.array([beat.time for beat in track.beats])


def off(expected: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each expected time from the nearest found one."""
    return np.abs(expected[:, None] - found[None]).min(axis=1)


@pytest.mark.parametrize(("bpm", "metre"), MUSIC)
def test_beats_and_bars(tracker: BeatTracker, bpm: float, metre: int) -> None:
    track = tracker.track_array(bars(bpm, metre), RATE)
    expected, found = beats_of(bpm), times_of(track)
    assert track.estimate.bpm == pytest.approx(bpm, abs=0.02)
    assert abs(len(found) - len(expected)) <= 2
    assert np.median(off(expected, found)) < 0.002
    assert off(expected, found).max() < 0.015
    assert track.metre == metre
    assert [beat.position for beat in track.beats[:-1]] == [
        number % metre + 1 for number in range(len(found) - 1)
    ]
    downbeats = np.array([beat.time for beat in track.downbeats])
    assert off(expected[::metre], downbeats).max() < 0.02


def test_a_grid_is_exact(tracker: BeatTracker) -> None:
    (section,) = tracker.track_array(bars(126.0), RATE).grid
    assert section.bpm == 126.0
    assert section.anchor == pytest.approx(0.3, abs=0.002)
    assert section.residual < 0.002


@pytest.mark.parametrize("rate", [0.8, 1.1])
def test_faster_music_has_its_beats_earlier(tracker: BeatTracker, rate: float) -> None:
    slow = times_of(tracker.track_array(bars(110.0, start=0.4), RATE))
    fast = times_of(tracker.track_array(bars(110.0 * rate, start=0.4 / rate, seconds=30.0 / rate), RATE))
    n = min(len(slow), len(fast)) - 1
    np.testing.assert_allclose(fast[:n] * rate, slow[:n], atol=0.03)


def test_louder_music_has_the_same_beats(tracker: BeatTracker) -> None:
    music = bars(100.0, 3)
    loud, soft = (times_of(tracker.track_array(music * level, RATE)) for level in (1.0, 0.1))
    np.testing.assert_allclose(soft[: len(loud) - 2], loud[: len(soft)][: len(loud) - 2], atol=0.02)


def test_the_range_chooses_the_octave() -> None:
    music = bars(120.0)
    doubled = BeatTracker(device="cpu", min_bpm=200, max_bpm=300).track_array(music, RATE)
    assert doubled.estimate.bpm == pytest.approx(240.0, abs=0.1)
    assert len(doubled.beats) == pytest.approx(2 * len(beats_of(120.0)), abs=3)


def test_a_metre_that_is_known(tracker: BeatTracker) -> None:
    track = BeatTracker(device="cpu", metre=3).track_array(bars(120.0, 4), RATE)
    assert (track.metre, track.metre_confidence) == (3, 1.0)
    assert {beat.position for beat in track.beats} == {1, 2, 3}


def test_a_metre_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="metre 8 is none of 2, 3, 4, 5, 6, 7"):
        BeatTracker(metre=8)


@pytest.mark.parametrize(("first", "second"), [(100.0, 128.0), (150.0, 118.0), (100.0, 138.0)])
def test_beats_follow_a_change_of_tempo(tracker: BeatTracker, first: float, second: float) -> None:
    beats = int((40.0 - 0.3) * first / 60.0)
    join = 0.3 + beats * 60.0 / first
    music = np.concatenate([bars(first, seconds=join), bars(second, seconds=40.0, start=0.0)])
    track = tracker.track_array(music, RATE)
    expected = np.concatenate([beats_of(first, join), join + beats_of(second, 40.0, start=0.0)])
    # Near the change, a beat or two may be missed.
    far = expected[np.abs(expected - join) > 6.0]
    assert np.mean(off(far, times_of(track)) < 0.03) > 0.97
    assert not track.estimate.steady
    assert len(track.grid) >= 2
    assert track.grid[0].bpm == pytest.approx(first, rel=0.01)
    assert track.grid[-1].bpm == pytest.approx(second, rel=0.01)


def test_beats_follow_a_rising_tempo(tracker: BeatTracker) -> None:
    out, times = np.zeros(62 * RATE), [0.3]
    while times[-1] < 59.0:
        times.append(times[-1] + 60.0 / (100.0 + 40.0 * times[-1] / 60.0))
    for number, time in enumerate(times):
        for sound in (hat(), 0.5 * snare() if number % 4 else kick()):
            place = round(time * RATE)
            out[place : place + len(sound)] += sound
    track = tracker.track_array((0.6 * out / np.abs(out).max()).astype(np.float32), RATE)
    assert off(np.array(times), times_of(track)).max() < 0.03
    assert len(track.grid) > 2


def test_a_part_counts_from_the_start_of_its_file(tracker: BeatTracker, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, bars(112.0), RATE)
    track = tracker.track(path, start=10.0, duration=15.0)
    found = times_of(track)
    assert 9.9 < found[0] < 10.6
    assert 24.0 < found[-1] < 25.1
    assert off(found, beats_of(112.0)).max() < 0.02
    assert track.grid[0].start == track.beats[0].time


def test_a_file_has_the_beats_of_its_samples(tracker: BeatTracker, tmp_path: Path) -> None:
    music = bars(112.0, seconds=12.0)
    soundfile.write(tmp_path / "song.wav", music, RATE, subtype="FLOAT")
    ours, theirs = tracker.track_array(music, RATE), tracker.track(tmp_path / "song.wav")
    np.testing.assert_allclose(times_of(ours), times_of(theirs), atol=1e-4)
    assert track_beats(tmp_path / "song.wav", device="cpu").beats == theirs.beats


def test_silence_has_no_beats(tracker: BeatTracker) -> None:
    track = tracker.track_array(np.zeros(10 * RATE, np.float32), RATE)
    assert (track.beats, track.metre, track.grid) == ((), None, ())
    assert track.reason == "silence"


def test_there_are_no_beats_in_silence_around_the_music(tracker: BeatTracker) -> None:
    quiet = np.zeros(5 * RATE, np.float32)
    found = times_of(tracker.track_array(np.concatenate([quiet, bars(112.0), quiet]), RATE))
    assert found[0] > 4.9
    assert found[-1] < 35.5


@pytest.mark.parametrize("seconds", [2.5, 4.0, 9.0])
def test_short_music(tracker: BeatTracker, seconds: float) -> None:
    track = tracker.track_array(bars(120.0, seconds=seconds), RATE)
    if track.estimate.bpm is None:
        assert track.reason == "too short" or track.reason == "no steady pulse"
        assert not track.beats
    else:
        assert off(times_of(track)[1:-1], beats_of(track.estimate.bpm, seconds)).max() < 0.03


def test_other_processes_find_the_same(tracker: BeatTracker) -> None:
    again = pickle.loads(pickle.dumps(tracker.portable())).connect(None)
    music = bars(104.0, 3, seconds=12.0)
    assert again.track_array(music, RATE).beats == tracker.track_array(music, RATE).beats


def test_what_cannot_be_read(tracker: BeatTracker, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioError):
        tracker.track(tmp_path / "text.wav")
