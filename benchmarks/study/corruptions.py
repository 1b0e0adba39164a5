"""Corruptions of audio, and how well a probe that was fitted to clean audio does on them."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from music import data as shared
from music import probing
from scipy.signal import lfilter
from sklearn.model_selection import StratifiedKFold

from tempocli.audio import load_audio
from tempocli.errors import MissingExtraError
from tempocli.training.data.prepare import MUSIC_FRONT_END

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_RATE = MUSIC_FRONT_END.sample_rate
_SECONDS = 15.0
_NOTES = 4  # every fourth note


def noise(samples: Samples, seed: int) -> Samples:
    """Add white noise, 10 dB softer than the signal."""
    drawn = np.random.default_rng(seed).standard_normal(len(samples), np.float32)
    return samples + drawn * np.float32(_level(samples) * 10.0**-0.5)


def mp3(samples: Samples, seed: int) -> Samples:
    """Encode as MP3 at about 25 kbit/s, and decode."""
    packed = io.BytesIO()
    soundfile.write(packed, samples, _RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=0.9)
    packed.seek(0)
    return np.asarray(soundfile.read(packed, dtype="float32")[0][: len(samples)])


def clipping(samples: Samples, seed: int) -> Samples:
    """Amplify such that the loudest tenth of the samples is cut off."""
    limit = max(float(np.quantile(np.abs(samples), 0.9)), 1e-6)
    return np.clip(samples, -limit, limit)


def equaliser(samples: Samples, seed: int) -> Samples:
    """Soften the treble above 1 kHz by a one-pole low pass."""
    pole = np.exp(-2.0 * np.pi * 1000.0 / _RATE)
    return np.asarray(lfilter([1.0 - pole], [1.0, -pole], samples), np.float32)


def delay(samples: Samples, seed: int) -> Samples:
    """Add three echoes, 0.25 s apart, each half as loud as the one before."""
    step = round(0.25 * _RATE)
    found = samples.copy()
    for repeat in range(1, 4):
        if repeat * step < len(samples):
            found[repeat * step :] += np.float32(0.5**repeat) * samples[: -repeat * step]
    return found


def pitch(samples: Samples, seed: int) -> Samples:
    """Shift the pitch up by two semitones at the same tempo (python-stretch)."""
    try:
        from python_stretch import Signalsmith
    except ImportError as error:
        raise MissingExtraError("shifting the pitch", "train") from error
    stretcher = Signalsmith.Stretch()
    stretcher.preset(1, _RATE)
    stretcher.setTransposeSemitones(2.0)
    shifted: Samples = np.asarray(stretcher.process(samples[None]), np.float32)[0]
    return shifted


def _level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


CORRUPTIONS: dict[str, Callable[[Samples, int], Samples]] = {
    "noise": noise,
    "MP3": mp3,
    "clipping": clipping,
    "equaliser": equaliser,
    "pitch": pitch,
    "delay": delay,
}


class CorruptedSpectra:
    """The log-mel spectra of the first 15 seconds of files, corrupted, kept in a folder.

    Parameters
    ----------
    folder : Path
        Created if missing.
    name : str
        Key of `CORRUPTIONS`, or ``"clean"``.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name

    def __call__(self, path: Path) -> Samples:
        """Return the frames of a file, shape=(n_frames, n_mels)."""
        kept = self._folder / f"{path.parent.name}-{path.stem}-{self._name}.npy"
        if not kept.is_file():
            samples = load_audio(path, sample_rate=_RATE)[: round(_SECONDS * _RATE)]
            if self._name != "clean":
                samples = CORRUPTIONS[self._name](samples, zlib.crc32(path.name.encode()))
            np.save(kept, MUSIC_FRONT_END.log_mel(samples).astype(np.float16))
        return np.asarray(np.load(kept), np.float32)


def robustness(
    of_paths: Callable[[Callable[[Path], Samples], list[Path]], Samples], folder: Path
) -> dict[str, dict[str, float]]:
    """Return the accuracy of probes that were fitted to clean files, on other files, clean and corrupted.

    Parameters
    ----------
    of_paths : callable
        From a function that returns the frames of a file, and files, to their vectors, shape=(n, dim).
    folder : Path
        Where spectra are kept.

    Returns
    -------
    dict of str to dict of str to float
        For ``genre`` and ``notes`` (every fourth), the accuracy by corruption.
    """
    found: dict[str, dict[str, float]] = {}
    for task in (shared.genre(), shared.notes()):
        step = _NOTES if task.name == "notes" else 1
        paths, targets = task.paths[::step], task.targets[::step]
        names = ("clean", *CORRUPTIONS)
        vectors = {name: of_paths(CorruptedSpectra(folder, name), paths) for name in names}
        found[task.name] = accuracies(vectors, targets)
    return found


def accuracies(vectors: dict[str, Samples], targets: NDArray[np.int64]) -> dict[str, float]:
    """Return the accuracy on each kind of vectors, of probes that are fitted to the clean ones.

    Parameters
    ----------
    vectors : dict of str to ndarray, shape=(n, dim)
        With a key ``"clean"``.
    targets : ndarray of int64, shape=(n,)
    """
    right: dict[str, list[float]] = {name: [] for name in vectors}
    clean = vectors["clean"]
    for train, test in StratifiedKFold(probing.FOLDS, shuffle=True, random_state=0).split(clean, targets):
        mean, deviation = clean[train].mean(axis=0), clean[train].std(axis=0) + 1e-6
        scale = 10.0 / np.sqrt(clean.shape[1])
        model = probing.PROBES["linear"](1.0).fit((clean[train] - mean) / deviation * scale, targets[train])
        for name, each in vectors.items():
            guessed = model.predict((each[test] - mean) / deviation * scale)
            right[name] += (guessed == targets[test]).tolist()
    return {name: round(float(np.mean(each)), 4) for name, each in right.items()}
