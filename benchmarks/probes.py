"""Measure what the vectors of `tempo embed` tell about music, beside plain statistics and random weights.

    python benchmarks/probes.py -o probes.json [--model music] [--cache FOLDER] [--seeds 3] [--no-mlp]

Probes are trained on frozen vectors: genre of the GTZAN clips of dev and dev2 (accuracy), moods and
instruments of Kevin MacLeod's tracks there (mean average precision over tags with 8 tracks and more), the
instrument of Philharmonia's single notes (accuracy), and the key by profiles (MIREX's weighted score).
Cross-validation is nested: the regularisation is chosen within the training files. Linear probes are the
mean of several divisions into folds (--seeds), those with a hidden layer and those of notes have one. GTZAN
and dev do not say which album or artist a clip is from, and the notes are single files, so the folds are
drawn by file. Needs the data of ../shared, scikit-learn, scipy, bliss-audio, and the
extra `train` for random weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from music import data, probing, scores
from music.representations import REPRESENTATIONS, Representer, Vectors, has_all, matrix, of_all

from tempocli.errors import TempoError

BASELINES = ("mel statistics", "MFCC statistics")
OURS = ("timbre", "timbre, spectrum", "all parts")


def main() -> int:
    """Run all probes and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-mlp", action="store_true")
    options = parser.parse_args()
    try:
        represent = Representer(options.model, options.cache)
        report = measure(represent, seeds=options.seeds, mlp=not options.no_mlp)
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(represent: Representer, *, seeds: int, mlp: bool) -> dict[str, Any]:
    """Return all scores, for docs/make_embedding.py."""
    spec = represent.embedder.spec
    report: dict[str, Any] = {"model": spec.name, "version": spec.version, "tasks": {}}
    for task in (data.genre(), data.tags("km_feels"), data.tags("km_instruments"), data.notes()):
        vectors = of_all(represent, task.paths)
        probes = ["linear", "MLP"] if mlp and task.name != "notes" else ["linear"]
        report["tasks"][task.name] = _task(task, vectors, probes, seeds)
        print(json.dumps({task.name: report["tasks"][task.name]["linear"]}, indent=1), file=sys.stderr)
    report["key"] = _keys(represent)
    print(json.dumps(report["key"]), file=sys.stderr)
    return report


def _task(task: data.Task, vectors: list[Vectors], probes: list[str], seeds: int) -> dict[str, Any]:
    has_tags = task.targets.ndim == 2
    found: dict[str, Any] = {"files": len(task.paths), "labels": task.labels}
    found["chance"] = (
        float(task.targets.mean()) if has_tags else float(np.bincount(task.targets).max() / len(task.targets))
    )
    for probe in probes:
        per_file: dict[str, list[Any]] = {}
        for name, blocks in REPRESENTATIONS.items():
            if (probe == "MLP" and name not in {*BASELINES, *OURS}) or not has_all(vectors, blocks):
                continue
            some = matrix(vectors, blocks)
            per_file[name] = [
                probing.predict_tags(some, task.targets, probe, seed=seed)
                if has_tags
                else (probing.predict_classes(some, task.targets, probe, seed=seed) == task.targets).astype(
                    float
                )
                for seed in range(seeds if probe == "linear" and task.name != "notes" else 1)
            ]
        found[probe] = _compared(task, per_file)
    if not has_tags:
        found["nearest"] = {
            name: probing.nearest_share(matrix(vectors, blocks), task.targets)
            for name, blocks in REPRESENTATIONS.items()
            if has_all(vectors, blocks)
        }
    return found


def _compared(task: data.Task, per_file: dict[str, list[Any]]) -> dict[str, Any]:
    """Return each score with its interval, and the differences from the baselines with theirs."""
    rng = np.random.default_rng(0)
    n = len(task.targets)
    draws = [np.arange(n), *rng.integers(0, n, (1000, n))]

    def score(name: str, which: Any) -> float:
        if task.targets.ndim == 1:
            return float(np.mean([each[which].mean() for each in per_file[name]]))
        return float(
            np.mean(
                [scores.mean_average_precision(task.targets[which], each[which]) for each in per_file[name]]
            )
        )

    values = {name: np.array([score(name, which) for which in draws]) for name in per_file}
    rows = {}
    for name, drawn in values.items():
        row: dict[str, Any] = {"score": drawn[0], "interval": np.quantile(drawn[1:], [0.025, 0.975]).tolist()}
        if name in OURS:
            for baseline in BASELINES:
                difference = drawn - values[baseline]
                row[f"over {baseline}"] = {
                    "score": difference[0],
                    "interval": np.quantile(difference[1:], [0.025, 0.975]).tolist(),
                }
        rows[name] = row
    return rows


def _keys(represent: Representer) -> dict[str, Any]:
    paths, right = data.keys()
    chroma = [vectors["chroma"] for vectors in of_all(represent, paths)]
    found: dict[str, Any] = {"files": len(paths)}
    for name, profiles in scores.KEY_PROFILES.items():
        values = np.array(
            [
                scores.key_score(scores.key_of(each, profiles), key)
                for each, key in zip(chroma, right, strict=True)
            ]
        )
        found[name] = {"score": float(values.mean()), "interval": scores.interval(values)}
    return found


if __name__ == "__main__":
    sys.exit(main())
