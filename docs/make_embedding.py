"""Measure the music embedding, and write the tables of docs/embedding.md.

python docs/make_embedding.py [--probes FILE --translation FILE]

Runs benchmarks/probes.py and benchmarks/translation.py, which take some minutes and need the data of
../shared, scikit-learn, scipy and the extra `train`; with files that they wrote earlier, only the tables are
made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "embedding.md"
TITLES = {
    "genre": "genre, accuracy",
    "feels": "mood, mAP",
    "instruments": "instruments, mAP",
    "notes": "single notes, accuracy",
}
BASELINES = ("mel statistics", "MFCC statistics")
OURS = ("timbre", "timbre, spectrum", "all parts")


def main() -> None:
    """Measure if needed, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=Path)
    parser.add_argument("--translation", type=Path)
    options = parser.parse_args()
    probes = _report("probes", options.probes)
    translation = _report("translation", options.translation)
    tables = {
        "translation": translation_table(translation),
        "probes": probe_table(probes, "linear"),
        "differences": difference_table(probes, "linear"),
        "mlp": probe_table(probes, "MLP"),
        "nearest": nearest_table(probes),
        "key": key_table(probes["key"]),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = replaced(text, name, table)
    PAGE.write_text(text, encoding="utf-8")


def _report(name: str, path: Path | None) -> dict[str, Any]:
    if path is not None:
        return json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{name}.json"
        script = DOCS.parent / "benchmarks" / f"{name}.py"
        subprocess.run([sys.executable, str(script), "-o", str(made)], check=True)
        return json.loads(made.read_text(encoding="utf-8"))


def replaced(text: str, name: str, table: str) -> str:
    """Return a page with the table of a name replaced.

    Raises
    ------
    ValueError
        If the page has no such table.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    start, end = text.index(first) + len(first), text.index(last)
    return f"{text[:start]}\n\n{table}\n\n{text[end:]}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _with_interval(row: dict[str, Any], shown: Any) -> str:
    low, high = row["interval"]
    return f"{shown(row['score'])} ({shown(low)} to {shown(high)})"


def translation_table(report: dict[str, Any]) -> str:
    """Return the table of tracks found first."""
    lines = ["| compared by | 0.75 | 1.33 | 1.5 | mean |", "|---|---|---|---|---|"]
    for name, row in report["found"].items():
        shares = " | ".join(_percent(share) for share in row["by_rate"])
        lines.append(f"| {name} | {shares} | {_with_interval(row, _percent)} |")
    right = _with_interval(report["right_rate"], _percent)
    blind = report["found"]["default weights, --any-tempo"]
    low, high = (_percent(value) for value in blind["over timbre"])
    low2, high2 = (_percent(value) for value in blind["over timbre and chroma"])
    return "\n".join(lines) + (
        f"\n\n{report['tracks']} tracks. Right rate among five 9 % apart, by the shifted rhythm: {right} %. "
        f"`--any-tempo` finds {low} to {high} points more than timbre alone, and {low2} to {high2} points "
        "more than timbre and chroma (95 % intervals of the paired difference)."
    )


def _shown(task: str) -> Any:
    return (lambda value: f"{value:.3f}") if task in {"feels", "instruments"} else _percent


def probe_table(report: dict[str, Any], probe: str) -> str:
    """Return the table of a kind of probe."""
    tasks = {name: task for name, task in report["tasks"].items() if probe in task}
    lines = [
        "| vectors | " + " | ".join(TITLES[name] for name in tasks) + " |",
        "|---" * (len(tasks) + 1) + "|",
    ]
    lines.append(
        "| chance | " + " | ".join(_shown(name)(task["chance"]) for name, task in tasks.items()) + " |"
    )
    for vectors in next(iter(tasks.values()))[probe]:
        cells = [
            _with_interval(task[probe][vectors], _shown(name)) if vectors in task[probe] else "-"
            for name, task in tasks.items()
        ]
        lines.append(f"| {vectors} | " + " | ".join(cells) + " |")
    counts = ", ".join(f"{TITLES[name].split(',')[0]}: {task['files']} files" for name, task in tasks.items())
    return "\n".join(lines) + f"\n\n{counts[0].upper()}{counts[1:]}."


def difference_table(report: dict[str, Any], probe: str) -> str:
    """Return the table of paired differences from the baselines."""
    lines = ["| vectors | less | " + " | ".join(TITLES.values()) + " |", "|---" * (len(TITLES) + 2) + "|"]
    for vectors in OURS:
        for baseline in BASELINES:
            cells = []
            for name in TITLES:
                row = report["tasks"][name][probe][vectors][f"over {baseline}"]
                cells.append(_with_interval(row, _shown(name)))
            lines.append(f"| {vectors} | {baseline} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def nearest_table(report: dict[str, Any]) -> str:
    """Return the table of the shares of the five nearest neighbours with the same class."""
    tasks = {name: task for name, task in report["tasks"].items() if "nearest" in task}
    lines = [
        "| vectors | " + " | ".join(TITLES[name].split(",")[0] for name in tasks) + " |",
        "|---" * (len(tasks) + 1) + "|",
    ]
    for vectors in next(iter(tasks.values()))["nearest"]:
        cells = [
            _percent(task["nearest"][vectors]) if vectors in task["nearest"] else "-"
            for task in tasks.values()
        ]
        lines.append(f"| {vectors} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def key_table(report: dict[str, Any]) -> str:
    """Return the table of MIREX's scores of the key."""
    lines = ["| key profiles | weighted score |", "|---|---|"]
    for name, row in report.items():
        if name != "files":
            lines.append(f"| {name} | {_with_interval(row, lambda value: f'{value:.3f}')} |")
    return "\n".join(lines) + f"\n\n{report['files']} clips."


if __name__ == "__main__":
    main()
