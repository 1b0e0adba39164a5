"""Worker: librosa with its default settings."""

import librosa
import numpy as np
from protocol import serve, variant

METHOD = variant("beat_track")


def measure(path: str) -> float:
    """Estimate the tempo in BPM."""
    samples, sample_rate = librosa.load(path)
    if METHOD == "tempo":
        tempo = librosa.feature.tempo(y=samples, sr=sample_rate)
    else:
        tempo, _ = librosa.beat.beat_track(y=samples, sr=sample_rate)
    return float(np.atleast_1d(tempo)[0])


serve(measure, str(librosa.__version__))
