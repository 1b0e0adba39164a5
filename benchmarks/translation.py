"""Measure whether music is found again when it is played at another tempo.

    python benchmarks/translation.py -o translation.json [--model music] [--learned translation.onnx]

The query is 12 s of a track, the tracks searched are other 12 s of all tracks, at least 20 s later,
stretched at constant pitch (python-stretch) to 0.75, 1.33 and 1.5 times their speed. Tracks are those of
dev and dev2 that are long enough. Also: of five copies of the other excerpt, at rates 9 % apart, whether the
one at the right rate is the nearest. --learned adds a translation by a network (`tempo train run
translation`, `tempo train export translation`). Needs the data of ../shared and the extra `train`.
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
from tempocli.errors import ModelError, TempoError
from tempocli.inference.session.runtime import open_session

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
    parser.add_argument("--learned", type=Path)
    options = parser.parse_args()
    try:
        report = measure(Embedder(options.model, device="cpu"), options.learned)
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, row in report["found"].items():
        print(f"{name:45s} {[round(100 * value, 1) for value in row['by_rate']]} {100 * row['score']:.1f}")
    print("right rate of five", report["right_rate"])
    return 0


def measure(embedder: Embedder, learned: Path | None = None) -> dict[str, Any]:
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
    stretched = [_stacked([each[k] for each in others]) for k in range(len(RATES))]
    translation = None if learned is None else Learned(learned, embedder)
    found = _found(embedder, _stacked(queries), stretched, translation)
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


class Learned:
    """A translation by a network, exported by `tempo train export translation`."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        self._session = open_session(path, "cpu", 1)
        metadata = self._session.metadata
        if json.loads(metadata["embedding"]) != embedder.spec.record():
            raise ModelError(f"{path}: moves the vectors of another model")
        self._dims = {
            part.name: part.dim for part in embedder.spec.parts if part.name in json.loads(metadata["parts"])
        }

    def move(self, parts: Parts, rate: float) -> Parts:
        """Return the parts that it moves, at another rate."""
        vector = np.concatenate([parts[name] for name in self._dims], axis=1)
        inputs = {"vector": vector, "rate": np.full((len(vector), 1), rate, np.float32)}
        (moved,) = self._session.run({"moved": vector.shape}, inputs)
        split = np.split(moved, np.cumsum(list(self._dims.values()))[:-1], axis=1)
        return dict(zip(self._dims, split, strict=True))


def _rate(embedder: Embedder) -> int:
    return embedder.spec.front_end.sample_rate


def _embedded(embedder: Embedder, samples: NDArray[np.float32]) -> Parts:
    return dict(embedder.embed_array(samples, _rate(embedder)).parts)


def _stretched(embedder: Embedder, samples: NDArray[np.float32], rate: float) -> Parts:
    first, last = (round(second * _rate(embedder)) for second in (LATER, LATER + SECONDS * rate))
    return _embedded(embedder, stretch_audio(samples[first:last], rate, _rate(embedder)))


def _stacked(tracks: list[Parts]) -> Parts:
    return {name: np.stack([track[name] for track in tracks]) for name in tracks[0]}


def _found(
    embedder: Embedder, queries: Parts, others: list[Parts], learned: Learned | None
) -> dict[str, Any]:
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
    if learned is not None:
        for rate, other, each in zip(RATES, others, cosines, strict=True):
            moved = learned.move(queries, rate)
            each |= {f"{name} by a network": vector @ other[name].T for name, vector in moved.items()}
        measures["timbre by a network"] = {"timbre by a network": 1.0}
        measures["rhythm by a network"] = {"rhythm by a network": 1.0}
        measures["default weights, rhythm by a network"] = {
            "timbre": timbre,
            "chroma": chroma,
            "rhythm by a network": rhythm,
        }
        measures["default weights, both by a network"] = {
            "timbre by a network": timbre,
            "chroma": chroma,
            "rhythm by a network": rhythm,
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
