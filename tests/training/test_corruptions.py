"""Corruptions of audio, and probes of frozen vectors on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import soundfile
from study import corruptions

from tempocli.audio import load_audio
from tempocli.training.data.prepare import MUSIC_FRONT_END

if TYPE_CHECKING:
    from pathlib import Path

RATE = MUSIC_FRONT_END.sample_rate


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2.0 * np.pi * frequency * times)).astype(np.float32)


def peak(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


@pytest.mark.parametrize("name", sorted(set(corruptions.CORRUPTIONS) - {"pitch"}))
def test_a_corruption_changes_samples_but_not_the_pitch(name: str) -> None:
    clean = tone(440.0)
    found = corruptions.CORRUPTIONS[name](clean, 1)
    assert found.dtype == np.float32
    assert found.shape == clean.shape
    assert np.abs(found - clean).max() > 1e-3
    assert peak(found) == pytest.approx(440.0, abs=3.0)
    assert np.array_equal(found, corruptions.CORRUPTIONS[name](clean, 1))


def test_how_far_they_go() -> None:
    clean = tone(3000.0)
    added = corruptions.noise(clean, 1) - clean
    assert 20.0 * np.log10(np.std(clean) / np.std(added)) == pytest.approx(10.0, abs=0.1)
    clipped = np.abs(corruptions.clipping(clean, 1))
    assert np.mean(clipped > 0.999 * clipped.max()) == pytest.approx(0.1, abs=0.01)
    low, high = (np.std(corruptions.equaliser(tone(f), 1)) / np.std(tone(f)) for f in (100.0, 3000.0))
    assert low > 0.95
    assert high < 0.45
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    assert np.flatnonzero(corruptions.delay(click, 1)).tolist() == [
        round(n * round(0.25 * RATE)) for n in range(4)
    ]


def test_the_pitch_moves_by_two_semitones() -> None:
    pytest.importorskip("python_stretch")
    found = corruptions.pitch(tone(440.0), 1)
    assert peak(found) == pytest.approx(440.0 * 2.0 ** (2.0 / 12.0), rel=0.01)


@pytest.mark.parametrize("name", sorted(set(corruptions.CORRUPTIONS) - {"pitch"}))
def test_silence_stays_finite(name: str) -> None:
    assert np.isfinite(corruptions.CORRUPTIONS[name](np.zeros(RATE // 2, np.float32), 1)).all()


def test_spectra_are_kept_by_corruption(tmp_path: Path) -> None:
    path = tmp_path / "music" / "a.wav"
    path.parent.mkdir()
    soundfile.write(path, tone(440.0, 20.0), RATE)
    clean, noisy = (corruptions.CorruptedSpectra(tmp_path / "kept", name) for name in ("clean", "noise"))
    expected = MUSIC_FRONT_END.log_mel(load_audio(path, sample_rate=RATE)[: 15 * RATE])
    assert clean(path) == pytest.approx(expected, abs=5e-3)
    first = noisy(path)
    assert np.abs(first - clean(path)).max() > 0.1
    path.unlink()
    assert np.array_equal(noisy(path), first)


def test_the_probe_is_fitted_to_clean_vectors() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(4), 25)
    clean = (np.eye(4)[targets] * 4.0 + rng.normal(0.0, 0.3, (100, 4))).astype(np.float32)
    swapped = clean[:, [1, 0, 2, 3]]  # classes 0 and 1 are taken for each other
    found = corruptions.accuracies({"clean": clean, "same": clean, "swapped": swapped}, targets)
    assert found == {"clean": 1.0, "same": 1.0, "swapped": 0.5}
