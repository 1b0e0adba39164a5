"""Make docs/accuracy.md and docs/reliability*.png: ``python docs/make_accuracy.py ../shared/data/dev.csv``.

Runs ``tempo evaluate`` on the reference with every model of the registry, by source and by genre. Needs the
extra `plot`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tempocli.registry import list_models

DOCS = Path(__file__).resolve().parent


def evaluate(reference: str, *options: str) -> dict[str, Any]:
    """Run ``tempo evaluate`` and read its JSON."""
    command = [sys.executable, "-m", "tempocli", "evaluate", reference, "--format", "json", *options]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def interval(score: dict[str, float] | None, digits: int = 1) -> str:
    """Write a score with its interval."""
    if score is None:
        return "-"
    return f"{score['value']:.{digits}f} ({score['low']:.{digits}f} to {score['high']:.{digits}f})"


def group_table(report: dict[str, Any]) -> list[str]:
    """Write a table of groups, the largest first."""
    column, groups = report["by"]["column"], report["by"]["groups"]
    rows = [f"| {column} | files | Accuracy 1 | Accuracy 2 |", "|---|---|---|---|"]
    for name, group in sorted(groups.items(), key=lambda item: -item[1]["n"]):
        rows.append(
            f"| {name} | {group['n']} | {interval(group['accuracy1'])} | {interval(group['accuracy2'])} |"
        )
    return rows


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw confidence against accuracy, for the tempo and for its octave."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, key, title in zip(
        figure.subplots(1, 2),
        ("calibration", "octave_calibration"),
        ("tempo within 4 %", "octave, given the tempo up to a factor"),
        strict=True,
    ):
        bins = [entry for entry in report[key]["bins"] if entry["n"]]
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.scatter(
            [entry["confidence"] for entry in bins],
            [entry["accuracy"] for entry in bins],
            s=[6 * entry["n"] for entry in bins],
        )
        for entry in bins:
            axes.annotate(
                str(entry["n"]), (entry["confidence"], entry["accuracy"]), ha="center", va="center", size=7
            )
        axes.set(xlabel="confidence", ylabel="share right", title=title, xlim=(0, 1.02), ylim=(0, 1.04))
    figure.savefig(path, dpi=110)


def picture(model: str) -> str:
    """Name the picture of a model's reliability."""
    return "reliability.png" if model == list_models()[0].name else f"reliability-{model}.png"


def summary(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Write a table of all models."""
    rows = ["| model | Accuracy 1 | Accuracy 2 | half | double |", "|---|---|---|---|---|"]
    for model, report in reports.items():
        scores = (report["accuracy1"], report["accuracy2"])
        shares = (report["relations"]["half"], report["relations"]["double"])
        rows.append(f"| `{model}` | {' | '.join(interval(score) for score in (*scores, *shares))} |")
    return rows


def chapter(model: str, report: dict[str, Any], by_genre: dict[str, Any]) -> list[str]:
    """Write all about one model."""
    relations = [
        f"| {name} | {interval(share)} |" for name, share in report["relations"].items() if share["value"] > 0
    ]
    return [
        f"## {model}",
        "",
        "| score | value |",
        "|---|---|",
        f"| files | {report['n']} |",
        *(
            f"| {title} | {interval(report[key])} |"
            for title, key in (
                ("Accuracy 1, 4 %", "accuracy1"),
                ("Accuracy 1, 2 %", "accuracy1_2pct"),
                ("Accuracy 1, 1 %", "accuracy1_1pct"),
                ("Accuracy 2, 4 %", "accuracy2"),
                ("Accuracy 2, 2 %", "accuracy2_2pct"),
                ("Accuracy 2, 1 %", "accuracy2_1pct"),
            )
        ),
        f"| median error of steady files, octave right, BPM | {interval(report['steady_error_bpm'], 3)} |",
        f"| expected calibration error of the confidence | {interval(report['calibration']['ece'], 3)} |",
        f"| and of the octave's | {interval(report['octave_calibration']['ece'], 3)} |",
        "",
        "### What the estimates are to the reference",
        "",
        "| relation | share |",
        "|---|---|",
        *relations,
        "",
        "### Reliability of the confidence",
        "",
        f"![Confidence against the share that is right]({picture(model)})",
        "",
        "The numbers are files. The calibration was fitted on synthetic clips kept out of training, not on "
        "these files.",
        "",
        "### By source",
        "",
        *group_table(report),
        "",
        "### By genre",
        "",
        *group_table(by_genre),
        "",
    ]


def main() -> None:
    """Write all files."""
    reference = sys.argv[1]
    models = [entry.name for entry in list_models()]
    reports = {model: evaluate(reference, "--model", model, "--by", "source") for model in models}
    lines = [
        "# Accuracy",
        "",
        f"Made by `python docs/make_accuracy.py {reference}` on {datetime.now(UTC):%Y-%m-%d}; definitions in "
        "[evaluate.md](evaluate.md). In brackets: 95 % bootstrap intervals. All but BPM and calibration in "
        "percent.",
        "",
        *summary(reports),
        "",
    ]
    for model, report in reports.items():
        by_genre = evaluate(reference, "--model", model, "--by", "genre")
        lines += chapter(model, report, by_genre)
        draw(report, DOCS / picture(model))
    (DOCS / "accuracy.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
