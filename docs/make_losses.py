"""Write the tables and figures of docs/losses.md from the results of benchmarks/losses.py.

python docs/make_losses.py

Result are means over the seeds; the intervals are 95 % over files and seeds (bootstrap of both). Needs
scikit-learn, numpy, the data of ../shared, and the extra `plot` for the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from music import scores
from study import corruptions, measures, records, runs

from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).resolve().parent
PAGE, FIGURE = DOCS / "losses.md", DOCS / "losses.png"
COLUMNS = {
    "genre": "genre, %",
    "nearest": "genre, 5 neighbours, %",
    "feels": "mood, mAP",
    "instruments": "instruments, mAP",
    "notes": "single notes, %",
    "tempo": "tempo class, %",
}
FEW = ("genre", "notes")
_DRAWS = 300
Result = dict[str, Any]


def main() -> None:
    """Write the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=DOCS.parent / "benchmarks" / "study" / "results")
    folder = parser.parse_args().results
    others = {records.SECONDS, records.CHOSEN}
    paths = [path for path in sorted(folder.glob("*.json")) if path.name not in others]
    found = {path.stem: records.load(path) for path in paths}
    check(found)
    targets = {task.name: task.targets for task in measures.tasks()}
    text = PAGE.read_text(encoding="utf-8")
    figure = "\n\n![Curves of loss, rank and variance](losses.png)" if draw(found, FIGURE) else ""
    for name, table in {
        "losses": compared(found, targets, ("mel-statistics", "random", *runs.LOSSES)) + figure,
        "labels": compared(
            found, targets, ("nt-xent", *(f"labels-{100 * s:g}" for s in runs.SHARES), *KINDS)
        ),
        "few": few(found),
        "full": compared(found, targets, [run.name for run in runs.full()], beside="full-nt-xent"),
        "search": search(found, records.load_chosen(folder / records.CHOSEN)["found"]),
        "robustness": robust(found),
        "cost": cost(found),
    }.items():
        first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text = text[: text.index(first) + len(first)] + f"\n\n{table}\n\n" + text[text.index(last) :]
    PAGE.write_text(text, encoding="utf-8")


def check(found: dict[str, Result]) -> None:
    """Refuse results of different data, or of older measures.

    Raises
    ------
    DataError
        If there are such.
    """
    by_stores: dict[str, set[str]] = {}
    for name, result in found.items():
        if result["origin"]["measures"] != records.MEASURES:
            raise DataError(f"{name}: measured in an older way; delete it to run it again")
        settings = result["origin"]["settings"] or {}
        stores = json.dumps(sorted(store for store, _ in settings.get("stores", [])))
        by_stores.setdefault(stores, set()).add(result["origin"]["data"])
    mixed = [stores for stores, data in by_stores.items() if len(data) > 1]
    if mixed:
        raise DataError(f"results of different data of the stores {mixed[0]}")


KINDS = (*(f"labels-{kind}" for kind in runs.LABELS), "supervised", "sounds")


def group(found: dict[str, Result], name: str) -> list[Result]:
    """Return the scores of all seeds of a row."""
    seeds = [found[f"{name}-{seed}"] for seed in runs.SEEDS if f"{name}-{seed}" in found]
    return seeds or ([found[name]] if name in found else [])


def value(row: Result, column: str) -> float:
    """Return one score of a run."""
    scored = row["scores"]
    return float(scored["genre"]["nearest"] if column == "nearest" else scored[column]["score"])


def spread(rows: list[Result], column: str, targets: dict[str, Any]) -> float:
    """Return half the width of the 95 % interval over files and seeds; NaN where files are not kept."""
    if column == "nearest":
        return float("nan")
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        row = rows[int(rng.integers(len(rows)))]["scores"][column]
        wanted = targets[column]
        which = rng.integers(0, len(wanted), len(wanted))
        drawn.append(score_of(row, wanted, which))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(high - low) / 2.0


def compared(
    found: dict[str, Result], targets: dict[str, Any], names: Sequence[str], beside: str = ""
) -> str:
    """Return a table of rows by all probes; with `beside`, also of their differences from that run."""
    heads = ["run", "seeds", *COLUMNS.values(), "effective rank", "above random"]
    heads += [f"less {beside}, mean of five tasks, points"] if beside else []
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    chance = group(found, "random")
    for name in names:
        rows = group(found, name)
        if rows:
            cells = [shown(rows, column, spread(rows, column, targets)) for column in COLUMNS]
            rank = np.mean([row["scores"]["rank"] for row in rows])
            above = "" if name == "random" or not chance else f"{better(rows, chance)} of {len(COLUMNS)}"
            line = f"| {name} | {len(rows)} | {' | '.join(cells)} | {rank:.1f} | {above} |"
            if beside and beside in found:
                mean, error = paired(found[name], found[beside], targets)
                line += f" {mean:+.1f} (SE {error:.1f}) |" if name != beside else " |"
            lines.append(line)
    return "\n".join(lines)


def paired(one: Result, other: Result, targets: dict[str, Any]) -> tuple[float, float]:
    """Return the mean difference of two runs over the tasks, in points, and its standard error over files."""
    rng = np.random.default_rng(0)
    tasks = [column for column in COLUMNS if column != "nearest"]
    mean = np.mean([value(one, column) - value(other, column) for column in tasks])
    drawn = []
    for _ in range(_DRAWS):
        differences = []
        for column in tasks:
            wanted = targets[column]
            which = rng.integers(0, len(wanted), len(wanted))
            scored = [score_of(each["scores"][column], wanted, which) for each in (one, other)]
            differences.append(scored[0] - scored[1])
        drawn.append(np.mean(differences))
    return 100.0 * float(mean), 100.0 * float(np.std(drawn, ddof=1))


def score_of(scored: Result, wanted: Any, which: Any) -> float:
    """Return the score of a task on some of its files."""
    if "right" in scored:
        return float(records.unpack_right(scored["right"], len(wanted))[which].mean())
    ranks = records.unpack_ranks(scored["ranks"], wanted.shape)
    return float(scores.mean_average_precision(wanted[which], ranks[which]))


def better(rows: list[Result], others: list[Result]) -> int:
    """Return on how many probes the mean of some runs is above that of others."""
    means = [
        [float(np.mean([value(row, column) for row in each])) for column in COLUMNS]
        for each in (rows, others)
    ]
    return sum(one > other for one, other in zip(*means, strict=True))


def shown(rows: list[Result], column: str, half: float = float("nan")) -> str:
    """Return the mean of a column, with half its interval."""
    mean = float(np.mean([value(row, column) for row in rows]))
    scale, digits = (1.0, 3) if column in {"feels", "instruments"} else (100.0, 1)
    text = f"{scale * mean:.{digits}f}"
    return text if np.isnan(half) else f"{text} ± {scale * half:.{digits}f}"


def few(found: dict[str, Result]) -> str:
    """Return the table of probes that are fitted to few files."""
    heads = [f"{COLUMNS[task].split(',')[0]}, {100 * share:g} %" for task in FEW for share in measures.FEW]
    lines = ["| run | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in (
        "mel-statistics",
        "random",
        *runs.LOSSES,
        *(f"labels-{100 * s:g}" for s in runs.SHARES),
        "supervised",
    ):
        rows = group(found, name)
        if rows:
            means = [
                100.0 * np.mean([row["scores"][task]["few"][str(share)] for row in rows])
                for task in FEW
                for share in measures.FEW
            ]
            lines.append(f"| {name} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(lines)


def robust(found: dict[str, Result]) -> str:
    """Return the table of probes on corrupted audio, of runs that were measured on it."""
    names = (*runs.LOSSES, *(f"labels-{100 * share:g}" for share in runs.SHARES), *KINDS)
    rows = {name: [row for row in group(found, name) if "robustness" in row] for name in names}
    rows = {name: each for name, each in rows.items() if each}
    kinds = ("clean", *corruptions.CORRUPTIONS)
    lines = ["| run, probe | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for name, each in rows.items():
        for task in FEW:
            means = [100.0 * np.mean([row["robustness"][task][kind] for row in each]) for kind in kinds]
            label = COLUMNS[task].split(",")[0]
            lines.append(f"| {name}, {label} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(lines)


def search(found: dict[str, Result], held_out: dict[str, float]) -> str:
    """Return the table of what was tried of each loss, and how many held-out tracks it found."""
    lines = [
        "| loss | changed | found, % | genre, % | mood, mAP | instruments, mAP | single notes, % |",
        "|---" * 7 + "|",
    ]
    chosen = runs.choose(held_out)
    for run in runs.searches():
        if run.name in found:
            loss = run.recipe.removeprefix("contrastive-")
            changed = ", ".join(f"`{key} = {setting}`" for key, setting in run.changes.items()) or "nothing"
            share = f"{held_out[run.name]:.1f}"
            shares = f"**{share}**" if run.changes == chosen[loss] else share
            cells = [
                shown([found[run.name]], column) for column in ("genre", "feels", "instruments", "notes")
            ]
            lines.append(f"| {loss} | {changed} | {shares} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost(found: dict[str, Result]) -> str:
    """Return the table of steps and seconds."""
    lines = [
        "| run | CPU seconds a step | steps | CPU seconds of these | seconds on the device that trained it |",
        "|---" * 5 + "|",
    ]
    for name in (*runs.LOSSES, "labels-20", "supervised", "sounds"):
        rows = group(found, name)
        if rows:
            steps, step = rows[0]["steps"], rows[0]["origin"]["seconds_per_step"]
            seconds = np.mean([row["seconds"] for row in rows])
            devices = ", ".join(sorted({row["device"] for row in rows}))
            lines.append(
                f"| {name} | {step:.3f} | {steps} | {steps * step:.0f} | {seconds:.0f} ({devices}) |"
            )
    return "\n".join(lines)


def draw(found: dict[str, Result], path: Path) -> bool:
    """Draw loss, found tracks, rank and variance of the losses' first seed by step, if there are runs."""
    shown_losses = [loss for loss in runs.LOSSES if f"{loss}-{runs.SEEDS[0]}" in found]
    if not shown_losses:
        return False
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).flat
    for axes, (key, label) in zip(panels, CURVES.items(), strict=True):
        for loss in shown_losses:
            curves = found[f"{loss}-{runs.SEEDS[0]}"]["curves"]
            values = np.array(curves[key])
            axes.plot(curves["step"], values / values[0] if key == "loss" else values, label=loss)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
    figure.axes[0].legend()
    figure.savefig(path, dpi=110)
    return True


CURVES = {
    "loss": "loss, relative to its start",
    "found": "held-out tracks found, %",
    "rank": "effective rank",
    "variance": "variance of directions",
}


if __name__ == "__main__":
    main()
