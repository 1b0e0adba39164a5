"""Measure the accuracy of all methods, and write it into the docs and the model cards.

python docs/make_accuracy.py ../shared/data/dev.csv ../shared/data/dev2.csv

Runs ``tempo evaluate`` on all references with every method and model, also within ranges of tempi, and scores
each reference and all of them together. Writes docs/accuracy.md, a figure of each one's reliability, and the
scores in the model cards. Needs the extra `plot`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent
CARDS = DOCS.parent / "models"
FIRST, LAST = "<!-- scores, by docs/make_accuracy.py -->", "<!-- end of scores -->"
SCORES = (
    ("Accuracy 1, 4 %", "accuracy1", 1),
    ("Accuracy 1, 2 %", "accuracy1_2pct", 1),
    ("Accuracy 1, 1 %", "accuracy1_1pct", 1),
    ("Accuracy 2, 4 %", "accuracy2", 1),
    ("Accuracy 2, 2 %", "accuracy2_2pct", 1),
    ("Accuracy 2, 1 %", "accuracy2_1pct", 1),
    ("median error of steady files, octave right, BPM", "steady_error_bpm", 3),
    ("steady files said to be steady", "flagged_steady", 1),
    ("steady files within one standard error", "within_one_error", 1),
    ("steady files within two standard errors", "within_two_errors", 1),
)
CALIBRATIONS = (
    ("calibration error of the confidence", "calibration"),
    ("calibration error of the octave's confidence", "octave_calibration"),
)
RANGES = ((60, 120), (70, 140), (90, 180), (120, 200))

Report = dict[str, Any]


@dataclass(frozen=True)
class System:
    """A method with its model: its name and what it is, its options, and whose card has its scores."""

    name: str
    about: str
    options: tuple[str, ...]
    card: str | None = None
    ranges: bool = True


SYSTEMS = (
    System("both", "the default: classification, comparison and periodicity together", ()),
    System("classify", "the model `tempo` alone", ("--method", "classify"), card="tempo"),
    System("compare", "comparison (Henkel 2024)", ("--method", "compare"), card="compare"),
    System(
        "equivariant",
        "equivariant self-supervision (Quinton 2022)",
        ("--method", "classify", "--model", "equivariant"),
        card="equivariant",
        ranges=False,
    ),
    System(
        "periodicity",
        "no network; a baseline for the others",
        ("--method", "periodicity"),
    ),
)


def evaluate(*arguments: str) -> Report:
    """Run ``tempo evaluate`` and read its JSON."""
    command = [sys.executable, "-m", "tempocli", "evaluate", *arguments, "--format", "json"]
    result: Report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


class Runs:
    """Runs of the estimator on all references, each scored as often as it takes.

    Parameters
    ----------
    references : list of str
        Paths of reference tables.
    folder : Path
        For the estimates.
    """

    def __init__(self, references: list[str], folder: Path) -> None:
        self._references = references
        self._folder = folder
        # Those of the tables, and of all together, where there are several.
        self.sets = {Path(reference).stem: [reference] for reference in references}
        if len(references) > 1:
            self.sets["together"] = references

    def reports(self, system: System, *tempo_range: float) -> dict[str, Report]:
        """Estimate every file, and score each set of references, by its name."""
        saved, bounds = self._saved(system, *tempo_range), _bounds(*tempo_range)
        if not saved.exists():
            evaluate(*self._references, *system.options, *bounds, "--save", str(saved))
        return {
            name: evaluate(*tables, "--estimates", str(saved), *bounds) for name, tables in self.sets.items()
        }

    def by(self, system: System, column: str) -> Report:
        """Score all references together by the values of a column."""
        saved = self._saved(system)
        return evaluate(*self._references, "--estimates", str(saved), "--by", column)

    def _saved(self, system: System, *tempo_range: float) -> Path:
        return self._folder / f"{'-'.join([system.name, *map(str, tempo_range)])}.csv"


def _bounds(*tempo_range: float) -> list[str]:
    names = ("--min-bpm", "--max-bpm")
    return [text for name, bpm in zip(names, tempo_range, strict=False) for text in (name, str(bpm))]


def interval(score: dict[str, float] | None, digits: int = 1) -> str:
    """Write a score with its interval."""
    if score is None:
        return "-"
    return f"{score['value']:.{digits}f} ({score['low']:.{digits}f} to {score['high']:.{digits}f})"


def calibration(found: Report | None) -> str:
    """Write a calibration error with its interval."""
    return "-" if found is None else interval(found["ece"], 3)


def chance(found: Report | None) -> str:
    """Write the calibration error that chance gives a perfect confidence: mean and 90 % point."""
    return "-" if found is None else f"{found['by_chance']:.3f} / {found['by_chance_p90']:.3f}"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Write a table, and the empty line after it."""
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def method_table(reports: dict[str, dict[str, Report]]) -> list[str]:
    """Write a table of all systems, for each set of references."""
    lines = []
    for name in next(iter(reports.values())):
        rows = [
            [
                f"`{system.name}`: {system.about}",
                interval(report["accuracy1"]),
                interval(report["accuracy2"]),
                str(report["n_missing"]),
                calibration(report["calibration"]),
                chance(report["calibration"]),
            ]
            for system, report in ((system, reports[system.name][name]) for system in SYSTEMS)
        ]
        n = reports[SYSTEMS[0].name][name]["n"]
        header = ["method", "Accuracy 1", "Accuracy 2", "no tempo", "calibration error", "by chance"]
        lines += [f"{name}, {n} files:", "", *table(header, rows)]
    return lines


def range_table(runs: Runs) -> list[str]:
    """Estimate within the ranges and write a table of it."""
    last = list(runs.sets)[-1]
    rows = []
    for system in SYSTEMS:
        for low, high in RANGES if system.ranges else ():
            reports = runs.reports(system, low, high)
            found = reports[last]["calibration"]
            accuracies = [interval(report["accuracy1"]) for report in reports.values()]
            rows.append(
                [f"`{system.name}`", f"{low} to {high}", *accuracies, calibration(found), chance(found)]
            )
    header = ["method", "BPM", *runs.sets, f"calibration error, {last}", "by chance"]
    return table(header, rows)


def group_table(report: Report) -> list[str]:
    """Write a table of groups, the largest first."""
    groups = sorted(report["by"]["groups"].items(), key=lambda item: -item[1]["n"])
    rows = [
        [name, str(group["n"]), interval(group["accuracy1"]), interval(group["accuracy2"])]
        for name, group in groups
    ]
    return table([report["by"]["column"], "files", "Accuracy 1", "Accuracy 2"], rows)


def score_table(reports: dict[str, Report]) -> list[str]:
    """Write a table of all scores, a column for each set of references."""
    rows = [["files", *(str(report["n"]) for report in reports.values())]]
    rows += [
        [title, *(interval(report[key], digits) for report in reports.values())]
        for title, key, digits in SCORES
    ]
    for title, key in CALIBRATIONS:
        rows.append([title, *(calibration(report[key]) for report in reports.values())])
        rows.append(["the same by chance", *(chance(report[key]) for report in reports.values())])
    return table(["score", *reports], rows)


def relation_table(reports: dict[str, Report]) -> list[str]:
    """Write a table of what the estimates are to the references."""
    names = next(iter(reports.values()))["relations"]
    rows = [
        [name, *(interval(report["relations"][name]) for report in reports.values())]
        for name in names
        if any(report["relations"][name]["value"] > 0 for report in reports.values())
    ]
    return table(["estimate", *reports], rows)


def draw(report: Report, path: Path) -> None:
    """Draw confidence against accuracy, for the tempo and for its octave."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, key, title in zip(
        figure.subplots(1, 2),
        ("calibration", "octave_calibration"),
        ("tempo within 4 %", "octave, given the tempo up to a factor"),
        strict=True,
    ):
        bins = [entry for entry in (report[key] or {"bins": []})["bins"] if entry["n"]]
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


def write_card(card: Path, options: tuple[str, ...], reports: dict[str, Report], command: str) -> None:
    """Replace the scores in a model's card."""
    before, rest = card.read_text(encoding="utf-8").split(FIRST)
    after = rest.split(LAST)[1]
    short = [
        f"- {name}: Accuracy 1 {report['accuracy1']['value']:.1f} %, "
        f"Accuracy 2 {report['accuracy2']['value']:.1f} %"
        for name, report in reports.items()
    ]
    lines = [
        FIRST,
        *short,
        "",
        f"Of this model alone (`{' '.join(options)}`), measured by {command}; more, also of the default, in "
        "[docs/accuracy.md](../docs/accuracy.md). In brackets: 95 % intervals.",
        "",
        *score_table(reports),
        *relation_table(reports),
    ]
    card.write_text(before + "\n".join(lines) + LAST + after, encoding="utf-8")


def section(system: System, reports: dict[str, Report], runs: Runs) -> list[str]:
    """Draw a system's reliability, and write its part of accuracy.md."""
    figure = f"reliability-{system.card or system.name}.png"
    *_, (last, report) = reports.items()
    draw(report, DOCS / figure)
    return [
        f"## `{system.name}`",
        "",
        f"{system.about[0].upper()}{system.about[1:]}.",
        "",
        *score_table(reports),
        *relation_table(reports),
        f"![Confidence of {system.name} against the share that is right]({figure})",
        "",
        f"The numbers in the figure are counts of files ({last}). The calibration was fitted on synthetic "
        "clips held out of training, not on these files.",
        "",
        *group_table(runs.by(system, "source")),
        *group_table(runs.by(system, "genre")),
    ]


def main(references: list[str]) -> None:
    """Write all of it."""
    command = f"`python docs/make_accuracy.py {' '.join(references)}` on {datetime.now(UTC):%Y-%m-%d}"
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(references, Path(folder))
        reports = {system.name: runs.reports(system) for system in SYSTEMS}
        lines = [
            "# Accuracy",
            "",
            f"Made by {command}; definitions in [evaluate.md](evaluate.md). In brackets: 95 % "
            "intervals. All scores are in percent, except BPM and calibration errors. *By chance* is the "
            "calibration error that a perfect confidence would have on as many files: on average / in nine "
            "cases of ten at most.",
            "",
            "## All methods",
            "",
            *method_table(reports),
            "## Within a range",
            "",
            "Share of files whose tempo is right within a range: an octave of the reference in the range, or "
            "no tempo if there is none ([evaluate.md](evaluate.md#within-a-range)).",
            "",
            *range_table(runs),
        ]
        for system in SYSTEMS:
            lines += section(system, reports[system.name], runs)
            if system.card is not None:
                write_card(CARDS / f"{system.card}.md", system.options, reports[system.name], command)
    (DOCS / "accuracy.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} REFERENCE.csv...")
    main(sys.argv[1:])
