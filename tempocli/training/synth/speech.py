"""Speech as audio without a tempo: random sentences by espeak-ng in many voices."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tempocli.audio import load_audio
from tempocli.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_VOICES = (
    "en-us",
    "en-gb",
    "de",
    "fr-fr",
    "es",
    "it",
    "pt-br",
    "nl",
    "sv",
    "pl",
    "ru",
    "tr",
    "fi",
    "hu",
    "cs",
)
_WORDS = [
    "time",
    "river",
    "the",
    "a",
    "morning",
    "of",
    "seven",
    "nobody",
    "remembers",
    "house",
    "and",
    "because",
    "they",
    "walked",
    "slowly",
    "over",
    "an",
    "old",
    "bridge",
    "without",
    "speaking",
    "until",
    "evening",
    "when",
    "everything",
    "seemed",
    "different",
    "from",
    "what",
    "we",
    "had",
    "expected",
    "to",
    "find",
    "there",
    "if",
    "you",
    "listen",
    "carefully",
    "after",
    "rain",
    "information",
    "about",
    "international",
    "cooperation",
    "is",
    "available",
    "on",
    "request",
    "yes",
    "no",
    "perhaps",
    "never",
    "always",
    "station",
    "number",
    "twenty",
    "three",
    "please",
    "wait",
    "here",
    "thank",
    "you",
    "very",
    "much",
]


def speak(
    rng: np.random.Generator, *, duration: float, sample_rate: int, folder: Path
) -> NDArray[np.float32]:
    """Synthesise random sentences with espeak-ng.

    Parameters
    ----------
    rng : numpy.random.Generator
    duration : float
        Length in seconds.
    sample_rate : int
        In Hz.
    folder : Path
        Folder for the temporary file.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)

    Raises
    ------
    DataError
        If espeak-ng is not installed or fails.
    """
    if shutil.which("espeak-ng") is None:
        raise DataError("speech needs the program espeak-ng, which is not installed")
    sentences = [
        " ".join(rng.choice(_WORDS, int(rng.integers(4, 18)))) + str(rng.choice([".", ",", "?", ";"]))
        for _ in range(int(duration / 2.0) + 2)
    ]
    words_a_minute = int(rng.integers(110, 260))
    settings = [
        "-v",
        str(rng.choice(_VOICES)),
        "-s",
        str(words_a_minute),
        "-p",
        str(int(rng.integers(10, 90))),
    ]
    target = folder / "speech.wav"
    done = subprocess.run(
        ["espeak-ng", *settings, "-w", str(target), "--", " ".join(sentences)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if done.returncode or not target.is_file():
        raise DataError(f"espeak-ng failed: {done.stderr.decode(errors='replace').strip()}")
    return load_audio(target, sample_rate=sample_rate)[: int(duration * sample_rate)]
