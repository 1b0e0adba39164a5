"""Estimate tempi by the nearest neighbours of the rhythm part, with shifted copies and without.

    python benchmarks/tempo_probe.py --data data

McCallum 2024 augments a tempo probe in the space of embeddings. Here the probe is a nearest neighbour: what
is known are composed clips (the stores `music-synthetic` and `music-mma` of `tempo train data music`); with
augmentation, each is there at 25 rates, its rhythm shifted. Accuracy 1 and 2 on dev and dev2; the octave is
that of the nearest clips. It measures what the vectors hold, and is not a way to estimate tempi.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from music import data as shared

from tempocli import Embedder
from tempocli.embedding.track import unit
from tempocli.embedding.translation import shift_rhythm
from tempocli.features.rhythm import rhythm_spectrum
from tempocli.training.data.store import open_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.features.rhythm import RhythmAxis

STORES = ("music-synthetic", "music-mma")
RATES = np.exp2(np.arange(-12, 13) / 24.0)
_RANGE = (40.0, 250.0)
_NEIGHBOURS = 5


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    embedder = Embedder(device="cpu")
    axis = embedder.spec.rhythm
    vectors, bpms = known(options.data, embedder)
    rows = [row for name in ("dev", "dev2") for row in shared.rows(shared.SHARED / f"{name}.csv")]
    queries = np.stack([embedder.embed(shared.SHARED / row["path"]).parts["rhythm"] for row in rows])
    right = np.array([float(row["bpm"]) for row in rows])
    print(f"{len(vectors)} clips of known tempo, {len(rows)} recordings")
    print("| known | Accuracy 1 | Accuracy 2 |\n|---|---|---|")
    for name, rates in (("as they are", np.ones(1)), ("and at 25 rates", RATES)):
        found = nearest(queries, *augmented(vectors, bpms, rates, axis))
        first, second = (accuracy(found, right, factors) for factors in ((1,), (1, 2, 3, 1 / 2, 1 / 3)))
        print(f"| {name} | {first:.1f} | {second:.1f} |")
    return 0


def known(data: Path, embedder: Embedder) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return rhythm vectors and tempi of composed clips."""
    spec = embedder.spec
    length = spec.n_frames * spec.pieces
    vectors, bpms = [], []
    for name in STORES:
        store = open_store(data / name)
        for clip in store.clips:
            if clip.bpm is None or clip.length < length:
                continue
            frames = np.asarray(store.frames_of(clip), np.float32)
            starts = range(0, len(frames) - length + 1, spec.n_frames)
            rhythms = [
                rhythm_spectrum(frames[start : start + length], spec.front_end, spec.rhythm)
                for start in starts
            ]
            vectors.append(unit(unit(np.stack(rhythms)).mean(axis=0)))
            bpms.append(clip.bpm)
    return np.stack(vectors), np.array(bpms)


def augmented(
    vectors: NDArray[np.float32], bpms: NDArray[np.float64], rates: NDArray[np.float64], axis: RhythmAxis
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the vectors and tempi at several rates, within the range of usual tempi."""
    moved = np.concatenate([shift_rhythm(vectors, float(rate), axis) for rate in rates])
    tempi = np.concatenate([bpms * rate for rate in rates])
    usual = (tempi >= _RANGE[0]) & (tempi <= _RANGE[1])
    return moved[usual], tempi[usual]


def nearest(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], bpms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each query the median tempo, on a logarithmic scale, of its nearest vectors."""
    places = np.argsort(-(queries @ vectors.T), axis=1)[:, :_NEIGHBOURS]
    return np.asarray(np.exp(np.median(np.log(bpms[places]), axis=1)))


def accuracy(found: NDArray[np.float64], right: NDArray[np.float64], factors: tuple[float, ...]) -> float:
    """Return the percentage of tempi within 4 % of the right one, or of a multiple of it."""
    hits = [np.abs(found - factor * right) <= 0.04 * factor * right for factor in factors]
    return float(100.0 * np.any(hits, axis=0).mean())


if __name__ == "__main__":
    sys.exit(main())
