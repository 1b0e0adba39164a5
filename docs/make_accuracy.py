"""Make all that the docs say of accuracy: ``python docs/make_accuracy.py ../shared/data/dev.csv``.

Runs ``tempo evaluate`` on the reference with every model that ships, by source and by genre; writes
docs/accuracy.md, a figure of each model's reliability, and the scores in the model cards. Needs the
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

DOCS = Path(__file__).resolve().parent
CARDS = DOCS.parent / "models"
FIRST, LAST = "<!-- scores, by docs/make_accuracy.py -->", "<!-- end of scores -->"
SCORES = (
    ("Accuracy 1, 4 %", "accuracy1"),
    ("Accuracy 1, 2 %", "accuracy1_2pct"),
    ("Accuracy 1, 1 %", "accuracy1_1pct"),
    ("Accuracy 2, 4 %", "accuracy2"),
    ("Accuracy 2, 2 %", "accuracy2_2pct"),
    ("Accuracy 2, 1 %", "accuracy2_1pct"),
)


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


CALIBRATIONS = (
    ("expected calibration error of the confidence", "calibration"),
    ("and of the octave's", "octave_calibration"),
)


def models() -> dict[str, str]:
    """List the models that ship with the method that each is for, the default first."""
    listed = json.loads((CARDS / "registry.json").read_text(encoding="utf-8"))["models"]
    listed.sort(key=lambda model: model["name"] != "tempo")
    return {model["name"]: model.get("method", "classify") for model in listed}


def score_table(report: dict[str, Any]) -> list[str]:
    """Write a table of the scores over all files."""
    return [
        "| score | value |",
        "|---|---|",
        f"| files | {report['n']} |",
        *(f"| {title} | {interval(report[key])} |" for title, key in SCORES),
        f"| median error of steady files, octave right, BPM | {interval(report['steady_error_bpm'], 3)} |",
        *(
            f"| {title} (of a perfect one, by chance: {report[key]['by_chance']:.3f}) "
            f"| {interval(report[key]['ece'], 3)} |"
            for title, key in CALIBRATIONS
        ),
    ]


def relation_table(report: dict[str, Any]) -> list[str]:
    """Write a table of what the estimates are to the reference."""
    shares = {name: share for name, share in report["relations"].items() if share["value"] > 0}
    return [
        "| estimate | share |",
        "|---|---|",
        *(f"| {name} | {interval(shares[name])} |" for name in shares),
    ]


def write_card(model: str, report: dict[str, Any], command: str) -> None:
    """Replace the scores in a model's card."""
    path = CARDS / f"{model}.md"
    before, rest = path.read_text(encoding="utf-8").split(FIRST)
    after = rest.split(LAST)[1]
    accuracy = [f"Accuracy {kind} {report[f'accuracy{kind}']['value']:.1f} %" for kind in (1, 2)]
    lines = [
        FIRST,
        f"dev: {', '.join(accuracy)}",
        "",
        f"Measured by {command}; more in [docs/accuracy.md](../docs/accuracy.md). In brackets: 95 % "
        "bootstrap intervals.",
        "",
        *score_table(report),
        "",
        *relation_table(report),
        LAST,
    ]
    path.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def section(model: str, method: str, reference: str, command: str) -> list[str]:
    """Evaluate a model, draw its reliability, write its card, and write its part of accuracy.md."""
    options = ("--model", model, "--method", method)
    report = evaluate(reference, *options, "--by", "source")
    figure = f"reliability-{model}.png"
    draw(report, DOCS / figure)
    write_card(model, report, command)
    return [
        f"## `{model}`",
        "",
        *score_table(report),
        "",
        *relation_table(report),
        "",
        f"![Confidence of {model} against the share that is right]({figure})",
        "",
        "The numbers in the figure are files. The calibration was fitted on synthetic clips kept out of "
        "training, not on these files.",
        "",
        *group_table(report),
        "",
        *group_table(evaluate(reference, *options, "--by", "genre")),
        "",
    ]


def main() -> None:
    """Write all of it."""
    reference = sys.argv[1]
    command = f"`python docs/make_accuracy.py {reference}` on {datetime.now(UTC):%Y-%m-%d}"
    lines = [
        "# Accuracy",
        "",
        f"Made by {command}; definitions in [evaluate.md](evaluate.md). In brackets: 95 % bootstrap "
        "intervals. All but BPM and calibration in percent.",
        "",
    ]
    for model, method in models().items():
        lines += section(model, method, reference, command)
    (DOCS / "accuracy.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
