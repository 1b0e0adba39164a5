"""Scores of probes and searches, and their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DRAWS = 4000
# Albrecht and Shanahan 2013, Krumhansl and Kessler 1982, Temperley 2001: major, then minor, from the tonic.
KEY_PROFILES = {
    "Albrecht": (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    ),
    "Krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "Temperley": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
}


def interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean over files."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def mean_average_precision(targets: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the mean over tags of the average precision, both shape=(n_files, n_tags).

    Tags without a file, as in a bootstrap draw, are left out.
    """
    present = targets.any(axis=0)
    return float(
        np.mean([_average_precision(targets[:, tag], scores[:, tag]) for tag in np.flatnonzero(present)])
    )


def _average_precision(target: NDArray[np.int64], score: NDArray[np.float64]) -> float:
    order = np.argsort(-score, kind="stable")
    hits = target[order].astype(float)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def key_of(chroma: NDArray[np.float32], profiles: tuple[tuple[float, ...], ...]) -> tuple[int, bool]:
    """Return the key whose profile correlates best with a chroma vector: tonic, and whether it is minor."""
    correlations = [
        (float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]), (tonic, bool(minor)))
        for minor, profile in enumerate(profiles)
        for tonic in range(12)
    ]
    return max(correlations)[1]


def key_score(found: tuple[int, bool], right: tuple[int, bool]) -> float:
    """Return MIREX's score of a key: 1, 0.5 for a fifth, 0.3 for the relative key, 0.2 for the parallel."""
    if found == right:
        return 1.0
    (tonic, minor), (right_tonic, right_minor) = found, right
    if minor == right_minor:
        return 0.5 if (tonic - right_tonic) % 12 in {5, 7} else 0.0
    if tonic == right_tonic:
        return 0.2
    major_tonic, minor_tonic = (right_tonic, tonic) if minor else (tonic, right_tonic)
    return 0.3 if (major_tonic - minor_tonic) % 12 == 3 else 0.0
