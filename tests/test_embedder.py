"""Embeddings: their laws, and that files, parts, arrays and blocks give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from songs import song

from tempocli import Embedder, TrackEmbedding, embed
from tempocli.batch import process_files
from tempocli.embedding.translation import shift_rhythm, tempo_blind
from tempocli.errors import AudioError, DeviceError, ModelError
from tempocli.inference.registry import resolve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
RATE = 22050


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(device="cpu")


@pytest.fixture(scope="module")
def track(embedder: Embedder) -> TrackEmbedding:
    return embedder.embed_array(song(), RATE)


def alike(a: TrackEmbedding, b: TrackEmbedding, part: str) -> float:
    return float(a.parts[part] @ b.parts[part])


def test_parts_have_unit_length_and_windows_have_times(embedder: Embedder, track: TrackEmbedding) -> None:
    assert list(track.parts) == [part.name for part in embedder.spec.parts]
    for part in embedder.spec.parts:
        assert track.parts[part.name].shape == (part.dim,)
        assert np.linalg.norm(track.parts[part.name]) == pytest.approx(1.0, abs=1e-5)
        assert track.windows[part.name].shape == (len(track.times), part.dim)
    assert track.vector.shape == (sum(part.dim for part in embedder.spec.parts),)
    # The first window is 12 s long; the last ends with the audio.
    assert track.times[0] == pytest.approx(5.99, abs=0.02)
    assert track.times[-1] == pytest.approx(14.0 - 5.99, abs=0.05)
    assert (track.model, track.duration, track.reason) == ("music", 14.0, None)


def test_files_arrays_and_the_function_agree(embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, song(), RATE, subtype="FLOAT")
    from_array = embedder.embed_array(song(), RATE)
    for other in (embedder.embed(path), embed(path, device="cpu")):
        np.testing.assert_allclose(other.vector, from_array.vector, atol=1e-5)


@settings(max_examples=8)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=8))
def test_blocks_of_any_length_give_the_same(embedder: Embedder, lengths: list[int]) -> None:
    samples = song(seconds=13.3)
    collector = embedder.collector()
    start = 0
    for number in range(len(samples)):
        length = lengths[number % len(lengths)] + 5000
        if start >= len(samples):
            break
        collector.push(samples[start : start + length])
        start += length
    found, expected = collector.finish(), embedder.embed_array(samples, RATE)
    np.testing.assert_allclose(found.vector, expected.vector, atol=1e-4)
    np.testing.assert_allclose(found.times, expected.times)


def test_a_part_is_like_a_file_of_its_own(embedder: Embedder, tmp_path: Path) -> None:
    samples = np.concatenate([song(90.0, 40), song(128.0, 51, pattern="rock")])
    path = tmp_path / "both.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    part = embedder.embed(path, start=14.0, duration=14.0)
    alone = embedder.embed_array(samples[14 * RATE :], RATE)
    np.testing.assert_allclose(part.vector, alone.vector, atol=1e-4)
    np.testing.assert_allclose(part.times, alone.times + 14.0, atol=1e-6)


def test_gain_changes_nothing_but_the_spectrum(embedder: Embedder, track: TrackEmbedding) -> None:
    soft = embedder.embed_array(0.25 * song(), RATE)
    assert alike(soft, track, "chroma") > 0.999
    assert alike(soft, track, "rhythm") > 0.97
    assert alike(soft, track, "timbre") > 0.8


@pytest.mark.parametrize("semitones", [1, 3, 5])
def test_a_transposition_rotates_the_chroma(
    embedder: Embedder, track: TrackEmbedding, semitones: int
) -> None:
    higher = embedder.embed_array(song(root=48 + semitones), RATE)
    rotated = np.roll(track.parts["chroma"], semitones)
    assert float(rotated @ higher.parts["chroma"]) > 0.9
    assert (
        float(rotated @ higher.parts["chroma"]) > float(track.parts["chroma"] @ higher.parts["chroma"]) + 0.2
    )


@pytest.mark.parametrize("rate", [0.75, 4 / 3, 1.5])
def test_a_faster_performance_shifts_the_rhythm(
    embedder: Embedder, track: TrackEmbedding, rate: float
) -> None:
    faster = embedder.embed_array(song(120.0 * rate), RATE)
    axis = embedder.spec.rhythm
    shifted = float(shift_rhythm(track.parts["rhythm"], rate, axis) @ faster.parts["rhythm"])
    assert shifted > alike(track, faster, "rhythm") + 0.2
    blind = [tempo_blind(each.parts["rhythm"], axis) for each in (track, faster)]
    assert float(blind[0] @ blind[1]) > 0.85


def test_shifting_forth_and_back_is_no_change(embedder: Embedder, track: TrackEmbedding) -> None:
    axis, rhythm = embedder.spec.rhythm, track.parts["rhythm"]
    np.testing.assert_allclose(shift_rhythm(rhythm, 1.0, axis), rhythm, atol=1e-6)
    back = shift_rhythm(shift_rhythm(rhythm, 1.1, axis), 1 / 1.1, axis)
    assert float(back @ rhythm) > 0.95
    with pytest.raises(ValueError, match="rate 9 is not in"):
        shift_rhythm(rhythm, 9.0, axis)


@pytest.mark.parametrize(
    ("seconds", "reason"), [(0.0, "too short"), (0.05, "too short"), (0.5, "silence"), (13.0, "silence")]
)
def test_silence_and_nothing_give_zeros_and_a_reason(embedder: Embedder, seconds: float, reason: str) -> None:
    track = embedder.embed_array(np.zeros(round(seconds * RATE), np.float32), RATE)
    assert track.reason == reason
    assert not track.vector.any()
    assert len(track.times) == 0
    assert track.windows["timbre"].shape == (0, 256)


def test_silent_windows_are_left_out(embedder: Embedder) -> None:
    music = song(seconds=16.0)
    samples = np.concatenate([music, np.zeros(40 * RATE, np.float32), music])
    track = embedder.embed_array(samples, RATE)
    assert not ((track.times > 24.0) & (track.times < 48.0)).any()
    whole = embedder.embed_array(music, RATE)
    assert alike(track, whole, "timbre") > 0.95


def test_a_drum_hit_has_a_sound(embedder: Embedder) -> None:
    hit = embedder.embed_array(song(seconds=14.0)[: RATE // 5], RATE)
    assert hit.reason is None
    assert np.linalg.norm(hit.parts["timbre"]) == pytest.approx(1.0, abs=1e-5)


def test_a_collector_is_used_once(embedder: Embedder) -> None:
    collector = embedder.collector()
    collector.push(song())
    assert collector.finish().reason is None
    for again in (collector.finish, lambda: collector.push(song())):
        with pytest.raises(ValueError, match="the track is finished"):
            again()


def test_windows_can_be_left_out_also_by_workers(
    embedder: Embedder, track: TrackEmbedding, tmp_path: Path
) -> None:
    small = Embedder(device="cpu", windows=False)
    path = tmp_path / "song.wav"
    soundfile.write(path, song(), RATE, subtype="FLOAT")
    (result,) = process_files(small, [str(path)])
    assert result.embedding is not None
    for found in (small.embed(path, start=0.0, duration=14.0), result.embedding):
        np.testing.assert_allclose(found.vector, track.vector, atol=1e-5)
        assert (dict(found.windows), len(found.times)) == ({}, 0)
    assert small.settings() == embedder.settings()


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DeviceError, match="device tpu: the devices are auto, cpu, cuda"):
        Embedder(device="tpu")


def test_bad_audio_and_bad_models_are_refused(embedder: Embedder, tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        embedder.embed(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="NaN"):
        embedder.embed_array(np.full(RATE, np.nan, np.float32), RATE)
    with pytest.raises(ModelError, match="a model for the method classify, not for embed"):
        Embedder("tempo")
    with pytest.raises(ModelError, match="not a model of the music embedding"):
        Embedder(_copied(resolve("tempo"), tmp_path))
    with pytest.raises(ModelError, match="a model for the method embed"):
        resolve("music", "classify")


def _copied(model: Path, folder: Path) -> Path:
    path = folder / "other.onnx"
    path.write_bytes(model.read_bytes())
    return path
