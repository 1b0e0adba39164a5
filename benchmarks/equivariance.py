"""Check the law tempo(stretch(x, rate)) = rate * tempo(x) on real music, for three ways to stretch.

    python benchmarks/equivariance.py ../shared/data/dev/*.ogg

`speed` plays the samples faster (pitch moves too), `audio` keeps the pitch (python-stretch, extra `train`),
and `frames` interpolates log-mel frames as training does. When the cheap `frames` scores like the others,
training on it is good enough. An excerpt is right when it is within 1 % with octaves folded, and when it is
within 2 % as it stands, which asks that the choice of the tempo octave follows the stretch as well.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.errors import MissingExtraError
from tempocli.estimator import Estimator
from tempocli.training.data.views import stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.schema import Estimate

RATES = (0.8, 0.9, 1.1, 1.25)


def stretch_audio(samples: NDArray[np.float32], rate: float, sample_rate: int) -> NDArray[np.float32]:
    """Change the speed and keep the pitch."""
    try:
        from python_stretch import Signalsmith
    except ImportError as error:
        raise MissingExtraError("stretching audio", "train") from error
    stretcher = Signalsmith.Stretch()
    stretcher.preset(1, sample_rate)
    stretcher.timeFactor = rate
    out: NDArray[np.float32] = np.asarray(stretcher.process(samples[None]), np.float32)[0]
    return out


def stretched(estimator: Estimator, path: str, rate: float, method: str) -> Estimate:
    """Estimate the tempo of a file played at a rate."""
    sample_rate = estimator.front_end.sample_rate
    if method == "speed":
        return estimator.estimate_array(load_audio(path, sample_rate=round(sample_rate / rate)), sample_rate)
    samples = load_audio(path, sample_rate=sample_rate)
    if method == "audio":
        return estimator.estimate_array(stretch_audio(samples, rate, sample_rate), sample_rate)
    frames = estimator.front_end.log_mel(samples).astype(np.float16)
    view = stretch(frames, start=0.0, rate=rate, n_frames=int(len(frames) / rate) - 2)
    return estimator.analyse_log_mel([view]).estimate


def is_right(bpm: float | None, expected: float, *, folded: bool) -> bool:
    """Tell whether a tempo is within 1 % of another with octaves folded, or within 2 % as it stands."""
    if bpm is None:
        return False
    if not folded:
        return abs(bpm / expected - 1.0) <= 0.02
    octaves = math.log2(bpm / expected)
    return abs(octaves - round(octaves)) <= math.log2(1.01)


def main() -> None:
    """Print the share of excerpts that keep the law, by way and rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--model", default="tempo")
    parser.add_argument("--method", choices=["speed", "audio", "frames"], action="append")
    arguments = parser.parse_args()
    estimator = Estimator(arguments.model, method="classify")
    whole = {path: estimator.estimate(path).bpm for path in arguments.files}
    known = {path: bpm for path, bpm in whole.items() if bpm is not None}
    print(f"{len(known)} of {len(whole)} files have a tempo", file=sys.stderr)
    for method in arguments.method or ["speed", "audio", "frames"]:
        for rate in RATES:
            pairs = [
                (stretched(estimator, path, rate, method).bpm, rate * bpm) for path, bpm in known.items()
            ]
            folded, whole_axis = (
                100.0 * np.mean([is_right(bpm, expected, folded=fold) for bpm, expected in pairs])
                for fold in (True, False)
            )
            print(
                f"{method:7s} rate {rate:4.2f}: {folded:5.1f} % within 1 %, octaves folded; "
                f"{whole_axis:5.1f} % within 2 %, not folded",
                flush=True,
            )


if __name__ == "__main__":
    main()
