"""Write the tables of docs/losses.md from the runs of benchmarks/losses.py.

python docs/make_losses.py --study study

Scores are means over the seeds; the intervals are 95 % over files and seeds (bootstrap of both). Needs
scikit-learn, numpy, the data of ../shared, and the extra `plot` for the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from music import scores
from study import measures, runs

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
Scores = dict[str, Any]


def main() -> None:
    """Write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, required=True)
    study = parser.parse_args().study
    found = {path.parent.name: json.loads(path.read_text()) for path in sorted(study.glob("*/scores.json"))}
    targets = {task.name: task.targets for task in measures.tasks()}
    seconds = json.loads((study / "seconds.json").read_text())
    text = PAGE.read_text(encoding="utf-8")
    figure = "\n\n![Held-out tracks found by their other view](losses.png)" if draw(study, FIGURE) else ""
    for name, table in {
        "losses": compared(found, targets, ("mel-statistics", "random", *runs.LOSSES)) + figure,
        "labels": compared(
            found, targets, ("nt-xent", *(f"labels-{100 * s:g}" for s in runs.SHARES), *KINDS)
        ),
        "few": few(found),
        "search": search(found),
        "cost": cost(found, seconds),
    }.items():
        first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text = text[: text.index(first) + len(first)] + f"\n\n{table}\n\n" + text[text.index(last) :]
    PAGE.write_text(text, encoding="utf-8")


KINDS = (*(f"labels-{kind}" for kind in runs.LABELS), "supervised", "sounds")


def group(found: dict[str, Scores], name: str) -> list[Scores]:
    """Return the scores of all seeds of a row."""
    seeds = [found[f"{name}-{seed}"] for seed in runs.SEEDS if f"{name}-{seed}" in found]
    return seeds or ([found[name]] if name in found else [])


def value(row: Scores, column: str) -> float:
    """Return one score of a run."""
    return float(row["genre"]["nearest"] if column == "nearest" else row[column]["score"])


def spread(rows: list[Scores], column: str, targets: dict[str, Any]) -> float:
    """Return half the width of the 95 % interval over files and seeds; NaN where files are not kept."""
    if column == "nearest":
        return float("nan")
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        row = rows[int(rng.integers(len(rows)))][column]
        if "right" in row:
            right = np.array(row["right"])
            drawn.append(right[rng.integers(0, len(right), len(right))].mean())
        else:
            which = rng.integers(0, len(targets[column]), len(targets[column]))
            drawn.append(
                scores.mean_average_precision(targets[column][which], np.array(row["predicted"])[which])
            )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(high - low) / 2.0


def compared(found: dict[str, Scores], targets: dict[str, Any], names: tuple[str, ...]) -> str:
    """Return a table of rows by all probes."""
    lines = [
        "| run | seeds | " + " | ".join(COLUMNS.values()) + " | effective rank |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for name in names:
        rows = group(found, name)
        if rows:
            cells = [shown(rows, column, spread(rows, column, targets)) for column in COLUMNS]
            rank = np.mean([row["rank"] for row in rows])
            lines.append(f"| {name} | {len(rows)} | {' | '.join(cells)} | {rank:.1f} |")
    return "\n".join(lines)


def shown(rows: list[Scores], column: str, half: float = float("nan")) -> str:
    """Return the mean of a column, with half its interval."""
    mean = float(np.mean([value(row, column) for row in rows]))
    scale, digits = (1.0, 3) if column in {"feels", "instruments"} else (100.0, 1)
    text = f"{scale * mean:.{digits}f}"
    return text if np.isnan(half) else f"{text} ± {scale * half:.{digits}f}"


def few(found: dict[str, Scores]) -> str:
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
                100.0 * np.mean([row[task]["few"][str(share)] for row in rows])
                for task in FEW
                for share in measures.FEW
            ]
            lines.append(f"| {name} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(lines)


def search(found: dict[str, Scores]) -> str:
    """Return the table of what was tried of each loss."""
    lines = [
        "| run | changed | genre, % | mood, mAP | instruments, mAP | single notes, % |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs.searches():
        if run.name in found:
            changed = ", ".join(f"`{key} = {setting}`" for key, setting in run.changes.items()) or "nothing"
            cells = [
                shown([found[run.name]], column) for column in ("genre", "feels", "instruments", "notes")
            ]
            lines.append(f"| {run.recipe.removeprefix('contrastive-')} | {changed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost(found: dict[str, Scores], seconds: dict[str, float]) -> str:
    """Return the table of seconds and steps."""
    lines = ["| loss | CPU seconds a step | steps |", "|---|---|---|"]
    for loss in runs.LOSSES:
        rows = group(found, loss)
        if rows:
            lines.append(f"| {loss} | {seconds[f'contrastive-{loss}']:.2f} | {rows[0]['steps']} |")
    return "\n".join(lines)


def draw(study: Path, path: Path) -> bool:
    """Draw the share of held-out tracks that are found by their other view, by step, if there are runs."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for loss in runs.LOSSES:
        history = study / f"{loss}-{runs.SEEDS[0]}" / "history.jsonl"
        if history.is_file():
            lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
            known = [line for line in lines if "validation_found" in line]
            axes.plot(
                [line["step"] for line in known], [line["validation_found"] for line in known], label=loss
            )
    if not axes.lines:
        return False
    axes.set_xlabel("step")
    axes.set_ylabel("held-out tracks found, %")
    axes.legend()
    figure.savefig(path, dpi=110)
    return True


if __name__ == "__main__":
    main()
