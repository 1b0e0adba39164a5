"""What the comparison can do: unseen loops, pairs of stretched recordings, the methods side by side, cost.

python benchmarks/compare.py loops
python benchmarks/compare.py pairs ../shared/data/dev.csv
python benchmarks/compare.py rates ../shared/data/dev.csv
python benchmarks/compare.py cost song.wav
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from tempocli.audio import load_audio
from tempocli.comparison import TempoComparer
from tempocli.estimator import Estimator
from tempocli.evaluation.metrics import accuracy1, accuracy2
from tempocli.training.synth.drum_kits import synthesise_kit

Array = np.ndarray[Any, np.dtype[np.float32]]

RATE = 22050
RATES = (0.87, 0.935, 1.0, 1.07, 1.15)
# None of the bank's, and no sound of its: kits are synthesised at random.
PATTERNS: dict[str, dict[str, str]] = {
    "dembow": {"kick": "x...x...x...x...", "snare": "...x..x....x..x."},
    "bossa": {"stick": "x..x..x...x..x..", "kick": "x..xx..xx..xx..x", "shaker": "xxxxxxxxxxxxxxxx"},
    "house": {"kick": "x...x...x...x...", "clap": "....x.......x...", "open hat": "..x...x...x...x."},
    "break": {"kick": "x.x.......xx....", "snare": "....x..x.x..x..x", "ride": "x.x.x.x.x.x.x.x."},
    "half-time": {"kick": "x.....x...x.....", "snare": "........x.......", "hat": "x.x.x.x.x.x.xxx."},
    "toms": {"tom": "x.x.x.x.x.xxx.x.", "kick": "x.......x......."},
}


def play(pattern: dict[str, str], bpm: float, rng: np.random.Generator, *, seconds: float) -> Array:
    """Play a pattern with a kit drawn at random, shape=(n_samples,)."""
    kit = synthesise_kit(rng, sample_rate=RATE)
    out = np.zeros(int((seconds + 2.0) * RATE), np.float32)
    step = 60.0 / bpm / 4.0 * RATE
    for role, marks in pattern.items():
        level = rng.uniform(0.4, 1.0)
        for index in range(int(seconds * RATE / step)):
            if marks[index % len(marks)] == "x":
                place, sound = round(index * step), kit[role]
                out[place : place + len(sound)] += level * rng.uniform(0.8, 1.0) * sound
    out = out[: int(seconds * RATE)]
    return np.asarray(0.5 * out / np.abs(out).max(), np.float32)


def loops(number: int = 60, seconds: float = 20.0) -> list[tuple[str, float, Array]]:
    """Make loops of known tempo, half a step off the bank's tempi."""
    rng = np.random.default_rng(7)
    made = []
    for index in range(number):
        name = list(PATTERNS)[index % len(PATTERNS)]
        bpm = 60.0 * 2.0 ** ((int(rng.integers(0, 84)) + 0.5) / 48)
        made.append((name, bpm, play(PATTERNS[name], bpm, rng, seconds=seconds)))
    return made


def run_loops(model: str) -> None:
    """Estimate the loops by comparison; right is within 2 %, octaves folded."""
    estimator = Estimator(model, method="compare", device="cpu")
    right = exact = 0
    made = loops()
    for name, bpm, samples in made:
        found = estimator.estimate_array(samples, RATE).bpm
        octaves = np.log2(found / bpm) if found else np.inf
        hit = bool(found) and abs(octaves - round(octaves)) <= np.log2(1.02)
        right += hit
        exact += hit and round(octaves) == 0
        if not hit:
            print(f"  {name} at {bpm:.2f}: {found}")
    share = 100 * right / len(made)
    print(f"{len(made)} loops: {share:.1f} % within 2 %, octaves folded; {exact} in the octave")


def pairs(table: Path, number: int) -> list[tuple[Path, float, float, bool]]:
    """Draw files and two rates for each: half of them within 1 %, half 6 to 60 % apart."""
    with table.open(newline="", encoding="utf-8") as file:
        paths = [table.parent / row["path"] for row in csv.DictReader(file) if float(row["duration_s"]) > 50]
    rng = np.random.default_rng(11)
    drawn = []
    for index in range(number):
        same = index % 2 == 0
        apart = rng.uniform(0.0, 0.01) if same else np.exp(rng.uniform(np.log(0.06), np.log(0.6)))
        apart *= rng.choice([-1.0, 1.0])
        middle = rng.uniform(-0.15, 0.15)
        path = paths[int(rng.integers(len(paths)))]
        rates = np.exp([middle, middle]) * (1.0, 1.0 + apart if apart > 0 else 1.0 / (1.0 - apart))
        drawn.append((path, float(rates[0]), float(rates[1]), same))
    return drawn


def run_pairs(model: str, table: Path, number: int) -> None:
    """Compare the first half of a recording with its second half, each played at its own rate."""
    comparer = TempoComparer(model, device="cpu")
    right, ratios, asymmetry = [], [], 0.0
    for path, rate_a, rate_b, same in pairs(table, number):
        heard = []
        for half, rate in enumerate((rate_a, rate_b)):
            samples = played_at(path, rate)
            middle = len(samples) // 2
            heard.append(comparer.analyse_array(samples[middle:] if half else samples[:middle]))
        there, back = comparer.compare(heard[0], heard[1]), comparer.compare(heard[1], heard[0])
        if there.probability is None or back.probability is None or there.ratio is None:
            right.append((same, False))
            continue
        right.append((same, there.same == same))
        asymmetry = max(asymmetry, abs(there.probability - back.probability))
        ratios.append(abs(np.log(there.ratio * rate_a / rate_b)))
    for name, kind in (("all", None), ("same", True), ("different", False)):
        some = [hit for same, hit in right if kind in (None, same)]
        print(f"{name}: {100 * np.mean(some):.1f} % of {len(some)} right")
    print(f"ratio within 1 %: {100 * np.mean(np.array(ratios) < 0.01):.1f} %; asymmetry {asymmetry:.1e}")


def played_at(path: Path, rate: float) -> Array:
    """Load a recording that runs faster by `rate`: decoded to another sample rate, heard at ours."""
    return load_audio(path, sample_rate=round(RATE / rate))


def run_rates(table: Path) -> None:
    """Score each method, and both together, on recordings played at several rates, with the models that ship.

    One file more or less is half a percent of dev; at five rates, where other files are near the border, a
    difference between methods means more.
    """
    estimator = Estimator(method="both", device="cpu")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    hits: dict[str, list[tuple[bool, bool]]] = {"classify": [], "compare": [], "both": []}
    for rate in RATES:
        for row in rows:
            found = estimator.estimate_array(played_at(table.parent / row["path"], rate), RATE)
            answers = {**dict(found.by_method), "both": found.bpm}
            for method, kept in hits.items():
                # No steady pulse is no answer of any of them.
                answer, truth = [answers.get(method) or np.nan], [float(row["bpm"]) * rate]
                kept.append((bool(accuracy1(truth, answer)[0]), bool(accuracy2(truth, answer)[0])))
        for method, kept in hits.items():
            first, second = 100 * np.mean(kept[-len(rows) :], axis=0)
            print(f"rate {rate:g}, {method}: Accuracy 1 {first:.1f} %, Accuracy 2 {second:.1f} %")
    for method, kept in hits.items():
        first, second = 100 * np.mean(kept, axis=0)
        print(f"all rates, {method}: Accuracy 1 {first:.1f} %, Accuracy 2 {second:.2f} % of {len(kept)}")


def run_cost(model: str, song: Path, repeats: int = 3) -> None:
    """Compare the CPU time of the methods on one song, once the models are loaded."""
    costs = {}
    for method in ("classify", "compare", "both"):
        chosen = model if method == "compare" else None
        estimator = Estimator(chosen, method=method, device="cpu")
        estimator.estimate(song)
        took = []
        for _ in range(repeats):
            began = time.process_time()
            estimator.estimate(song)
            took.append(time.process_time() - began)
        costs[method] = min(took)
        print(f"{method}: {costs[method]:.3f} s, {costs[method] / costs['classify']:.2f} times classify")


def main() -> None:
    """Run one of the four."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["loops", "pairs", "rates", "cost"])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--model", default="compare", help="not for rates, which is of the models that ship")
    parser.add_argument("--number", type=int, default=400)
    arguments = parser.parse_args()
    if arguments.what == "loops":
        run_loops(arguments.model)
    elif arguments.file is None:
        parser.error("which file?")
    elif arguments.what == "pairs":
        run_pairs(arguments.model, arguments.file, arguments.number)
    elif arguments.what == "rates":
        if arguments.model != "compare":
            parser.error("rates is of the models that ship")
        run_rates(arguments.file)
    else:
        run_cost(arguments.model, arguments.file)


if __name__ == "__main__":
    main()
