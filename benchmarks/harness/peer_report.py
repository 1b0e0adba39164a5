"""The table and the picture of peers.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tempocli.evaluation.scoring import Score

COLOURS = {"none": "tab:red", "human": "tab:blue", "hand-made": "tab:grey"}


@dataclass(frozen=True)
class Result:
    """What was measured of a system; `cpu_s` is for a file of a minute, `start_cpu_s` to be ready for it.

    `failed` are the files that it broke down on.
    """

    name: str
    version: str
    labels: str
    accuracy1: Score
    accuracy2: Score
    failed: list[str]
    start_cpu_s: float
    cpu_s: float | None


def table(results: Sequence[Result], missing: Mapping[str, str]) -> list[str]:
    """Write the results as Markdown, the best Accuracy 1 first, then what could not be measured."""
    lines = [
        "| system | version | labels | Accuracy 1 | Accuracy 2 | CPU s a file | CPU s to start |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in by_accuracy(results):
        seconds = "-" if result.cpu_s is None else f"{result.cpu_s:.3f}"
        name = f"**{result.name}**" if result.labels == "none" else result.name
        lines.append(
            f"| {name} | {result.version} | {result.labels} | {interval(result.accuracy1)}"
            f" | {interval(result.accuracy2)} | {seconds} | {result.start_cpu_s:.1f} |"
        )
    lines += [
        f"\n{result.name} failed on {len(result.failed)} files, which count as wrong."
        for result in results
        if result.failed
    ]
    if missing:
        lines += ["", "Not measured:", "", *(f"- {name}: {reason}" for name, reason in missing.items())]
    return lines


def by_accuracy(results: Sequence[Result]) -> list[Result]:
    """Sort by Accuracy 1, then Accuracy 2, the best first."""
    return sorted(results, key=lambda result: (-result.accuracy1.value, -result.accuracy2.value))


def interval(score: Score) -> str:
    """Write a score with its interval."""
    return f"{score.value:.1f} ({score.low:.1f} to {score.high:.1f})"


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw accuracy against seconds; a line joins Accuracy 1 (full) and Accuracy 2 (hollow) of a system."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for result in results:
        if result.cpu_s is None:
            continue
        colour = COLOURS[result.labels]
        low, high = result.accuracy1.value, result.accuracy2.value
        axes.plot([result.cpu_s] * 2, [low, high], color=colour, linewidth=0.8, alpha=0.5)
        axes.scatter(result.cpu_s, low, color=colour)
        axes.scatter(result.cpu_s, high, facecolors="white", edgecolors=colour)
        axes.annotate(
            result.name, (result.cpu_s, low), xytext=(5, -3), textcoords="offset points", size=8, color=colour
        )
    for labels, colour in COLOURS.items():
        axes.scatter([], [], color=colour, label=f"labels: {labels}")
    axes.scatter([], [], color="black", label="Accuracy 1")
    axes.scatter([], [], facecolors="white", edgecolors="black", label="Accuracy 2")
    axes.set(xscale="log", xlabel="CPU seconds for a file of 60 s", ylabel="accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
