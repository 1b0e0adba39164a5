"""Measure whether music is found again when it is played at another tempo.

    python benchmarks/translation.py -o translation.json [--model music]

The query is 12 s of a track, the tracks searched are other 12 s of all tracks, at least 20 s later,
stretched at constant pitch (python-stretch) to 0.75, 1.33 and 1.5 times their speed. Tracks are those of
dev and dev2 that are long enough. Also: of five copies of the other excerpt, at rates 9 % apart, whether the
one at the right rate is the nearest. Needs the data of ../shared and the extra `train` (python-stretch).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from equivariance import stretch_audio
from music import data
from music.scores import interval
from numpy.typing import NDArray

from tempocli import Embedder
from tempocli.audio import load_audio
from tempocli.embedding.similarity import WEIGHTS
from tempocli.embedding.track import unit
from tempocli.embedding.translation import shift_rhythm, tempo_blind
from tempocli.errors import TempoError

RATES = (0.75, 1.33, 1.5)
NEAR = tuple(float(rate) for rate in np.exp(0.09 * np.arange(-2, 3)))
SECONDS = 12.0
LATER = 32.0  # start of the other excerpt: 20 s after the end of the first

Parts = dict[str, NDArray[np.float32]]


def main() -> int:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model")
    options = parser.parse_args()
    try:
        report = measure(Embedder(options.model, device="cpu"))
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, row in report["found"].items():
        print(f"{name:45s} {[round(100 * value, 1) for value in row['by_rate']]} {100 * row['score']:.1f}")
    print("right rate of five", report["right_rate"])
    return 0


def measure(embedder: Embedder) -> dict[str, Any]:
    """Return all figures, for docs/make_embedding.py."""
    paths = data.long_tracks(LATER + SECONDS * max(*RATES, *NEAR))
    queries, others, near = [], [], []
    for number, path in enumerate(paths, 1):
        samples = load_audio(path, sample_rate=_rate(embedder))
        queries.append(_embedded(embedder, samples[: round(SECONDS * _rate(embedder))]))
        others.append([_stretched(embedder, samples, rate) for rate in RATES])
        near.append([_stretched(embedder, samples, 1.01 * rate)["rhythm"] for rate in NEAR])
        if number % 50 == 0:
            print(f"{number}/{len(paths)} tracks", file=sys.stderr)
    found = _found(
        embedder, _stacked(queries), [_stacked([each[k] for each in others]) for k in range(len(RATES))]
    )
    right = _right_rates(embedder, [each["rhythm"] for each in queries], near)
    spec = embedder.spec
    return {
        "model": spec.name,
        "version": spec.version,
        "tracks": len(paths),
        "rates": RATES,
        "found": found,
        "right_rate": {"score": float(right.mean()), "interval": interval(right.mean(axis=1))},
    }


def _rate(embedder: Embedder) -> int:
    return embedder.spec.front_end.sample_rate


def _embedded(embedder: Embedder, samples: NDArray[np.float32]) -> Parts:
    return dict(embedder.embed_array(samples, _rate(embedder)).parts)


def _stretched(embedder: Embedder, samples: NDArray[np.float32], rate: float) -> Parts:
    first, last = (round(second * _rate(embedder)) for second in (LATER, LATER + SECONDS * rate))
    return _embedded(embedder, stretch_audio(samples[first:last], rate, _rate(embedder)))


def _stacked(tracks: list[Parts]) -> Parts:
    return {name: np.stack([track[name] for track in tracks]) for name in tracks[0]}


def _found(embedder: Embedder, queries: Parts, others: list[Parts]) -> dict[str, Any]:
    """Return how often the other excerpt of the same track is the nearest, for several measures."""
    axis = embedder.spec.rhythm
    cosines = [
        {name: queries[name] @ other[name].T for name in queries}
        | {
            "shifted rhythm": shift_rhythm(queries["rhythm"], rate, axis) @ other["rhythm"].T,
            "rhythm at any tempo": tempo_blind(queries["rhythm"], axis)
            @ tempo_blind(other["rhythm"], axis).T,
        }
        for rate, other in zip(RATES, others, strict=True)
    ]
    timbre, chroma, rhythm = (WEIGHTS[name] for name in ("timbre", "chroma", "rhythm"))
    measures: dict[str, dict[str, float]] = {
        **{
            name: {name: 1.0}
            for name in ("timbre", "rhythm", "shifted rhythm", "rhythm at any tempo", "chroma", "spectrum")
        },
        "timbre, shifted rhythm": {"timbre": 1.0, "shifted rhythm": 1.0},
        "timbre, chroma": {"timbre": timbre, "chroma": chroma},
        "default weights, not shifted": {"timbre": timbre, "chroma": chroma, "rhythm": rhythm},
        "default weights, shifted": {"timbre": timbre, "chroma": chroma, "shifted rhythm": rhythm},
        "default weights, --any-tempo": {"timbre": timbre, "chroma": chroma, "rhythm at any tempo": rhythm},
        "timbre, rhythm at any tempo": {"timbre": timbre, "rhythm at any tempo": rhythm},
    }
    right: dict[str, NDArray[np.float64]] = {}
    for name, weights in measures.items():
        sums = [np.sum([weight * each[part] for part, weight in weights.items()], axis=0) for each in cosines]
        hits = [np.argmax(each, axis=1) == np.arange(len(each)) for each in sums]
        right[name] = np.stack(hits, axis=1).astype(np.float64)
    rows: dict[str, Any] = {}
    for name, values in right.items():
        rows[name] = {
            "by_rate": values.mean(axis=0).tolist(),
            "score": float(values.mean()),
            "interval": interval(values.mean(axis=1)),
            "over timbre": interval((values - right["timbre"]).mean(axis=1)),
            "over timbre and chroma": interval((values - right["timbre, chroma"]).mean(axis=1)),
        }
    return rows


def _right_rates(
    embedder: Embedder, queries: list[NDArray[np.float32]], near: list[list[NDArray[np.float32]]]
) -> NDArray[np.float64]:
    """Return whether the copy at the right rate is the nearest, for each track and rate.

    All copies are stretched, by one per cent more than their rate, so that none differs by being clean.
    """
    axis = embedder.spec.rhythm
    right = np.zeros((len(queries), len(NEAR)))
    for track, (query, copies) in enumerate(zip(queries, near, strict=True)):
        for number, rate in enumerate(NEAR):
            shifted = unit(shift_rhythm(query, 1.01 * rate, axis))
            right[track, number] = int(np.argmax(np.stack(copies) @ shifted)) == number
    return right


if __name__ == "__main__":
    sys.exit(main())
