"""Measure an index: how long it takes to open and to search, by its size; exact search beside usearch.

    python benchmarks/index.py [--tracks 20000 100000] [--usearch] [--searches 20]

The vectors are synthetic (random, of unit length), in the layout of the model that ships. "Open" is reading
the index from its files, "search" is one query over all tracks with the default weights, "any tempo" one with
rhythms compared at any tempo; each the median of several. usearch (a package of
that name) is measured with its defaults and float16 on the same vectors, with its recall of the ten nearest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.index.entries import Entry
from tempocli.embedding.index.layout import Layout
from tempocli.embedding.index.library import Library, Query
from tempocli.embedding.index.writer import IndexWriter
from tempocli.embedding.similarity import WEIGHTS, weighted
from tempocli.embedding.track import unit
from tempocli.inference.music import MusicEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = 2000


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, nargs="+", default=[20_000])
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--usearch", action="store_true")
    options = parser.parse_args()
    layout = Layout.of(MusicEncoder(device="cpu").spec, {"tempo": {}, "embedding": {}})
    print("| tracks | MB | open, ms | search, ms | any tempo, ms | --mixable, ms |")
    print("|---|---|---|---|---|---|")
    for number in options.tracks:
        with tempfile.TemporaryDirectory() as name:
            folder = str(Path(name) / "made.tempo")
            make(folder, layout, number)
            row = measure(folder, layout, options.searches)
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
            print(f"| {number:,} | {size:,.0f} | " + " | ".join(f"{1e3 * value:.1f}" for value in row) + " |")
            if options.usearch:
                beside_usearch(folder, options.searches)
    return 0


def make(folder: str, layout: Layout, number: int) -> None:
    """Make an index of random vectors."""
    rng = np.random.default_rng(0)
    with IndexWriter(folder, layout):
        pass
    with (
        (Path(folder) / layout.vectors_name).open("wb") as vectors,
        (Path(folder) / layout.tracks_name).open("wb") as tracks,
    ):
        for start in range(0, number, _ROWS):
            n_rows = min(_ROWS, number - start)
            parts = [unit(rng.normal(size=(n_rows, part.dim)).astype(np.float32)) for part in layout.parts]
            vectors.write(np.concatenate(parts, axis=1).tobytes())
            for row in range(start, start + n_rows):
                bpm = float(rng.uniform(60.0, 180.0))
                tracks.write(
                    Entry(f"/music/{row // 12}/{row}.flac", row, bpm, 0.01, 0.9, 0.9, True, 200.0).line()
                )


def measure(folder: str, layout: Layout, searches: int) -> list[float]:
    """Return the seconds of opening and of three kinds of searches."""
    library = Library(folder)
    rng = np.random.default_rng(1)
    parts = {part.name: unit(rng.normal(size=part.dim).astype(np.float32)) for part in layout.parts}
    plain, blind = Query(parts, WEIGHTS), Query(parts, WEIGHTS, any_tempo=True)
    return [
        median(lambda: Library(folder), 5),
        median(lambda: library.similar(plain, copies=True), searches),
        median(lambda: library.similar(blind, copies=True), 3),
        median(lambda: library.similar(plain, allowed=library.mixable(120.0)), searches),
    ]


def median(function: Callable[[], object], times: int) -> float:
    """Return the median of the seconds that calls of a function take, after one that does not count."""
    function()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def beside_usearch(folder: str, searches: int) -> None:
    """Print build time, search time and recall of usearch on the same vectors."""
    from usearch.index import Index

    library = Library(folder)
    used = library.layout.dim - library.layout.parts[-1].dim  # the last part has no weight
    vectors = np.ascontiguousarray(library._vectors.all[:, :used])
    index = Index(ndim=used, metric="ip", dtype="f16")
    began = time.perf_counter()
    index.add(np.arange(len(vectors)), vectors)
    built = time.perf_counter() - began
    rng = np.random.default_rng(2)
    queries = []
    for _ in range(searches):
        # Near a track, as a real song is.
        track = library.parts_of(library.tracks[int(rng.integers(len(vectors)))])
        noisy = {
            name: part + 0.5 * unit(rng.normal(size=len(part)).astype(np.float32))
            for name, part in track.items()
        }
        queries.append(weighted(noisy, WEIGHTS)[:used].astype(np.float32))
    taken, recalls = [], []
    for query in queries:
        began = time.perf_counter()
        found = set(index.search(query, 10).keys.tolist())
        taken.append(time.perf_counter() - began)
        recalls.append(len(found & set(np.argsort(-(vectors @ query))[:10].tolist())) / 10)
    print(
        f"usearch: built in {built:.0f} s, search {1e3 * np.median(taken):.2f} ms, "
        f"recall {np.mean(recalls):.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
