"""Thousands of damaged and lying sound files of every container, and what `tempo estimate` makes of them.

    python benchmarks/fuzz.py [--files 6000] [--seed 1] [--jobs 1] [--results FILE] [--against FILE]
    python benchmarks/fuzz.py --only s1-00123-wav_16-lie-fmt.channels.max.wav --keep FOLDER

The same seed makes the same files, as long as ffmpeg is the same. Ends with status 1 when there is a
traceback, a crash, a hang, a row too many or too few, a process over the limit of memory, or, with
--against, more confident wrong answers than there. Linux and ffmpeg are needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fuzzing.bombs import make_bombs
from fuzzing.mutations import Case, Made, Mutator
from fuzzing.seeds import Seed, SeedError, make_seeds
from fuzzing.verdict import CONFIDENTLY, UNCLEAR, WRONG, Outcome, as_row, counts, judge, kinds, read_rows
from fuzzing.watch import Watch
from harness.commands import say

ROOT = Path(__file__).resolve().parents[1]
BATCH = 200  # files that are on the disk at a time
SOME_FAILED = 3  # the exit status, beside 0 and, when all have failed, 1
SHOWN = 12
SLOW_SECONDS = 10.0
KILL_MB = 6000.0


@dataclass
class Findings:
    """What the runs came to.

    Attributes
    ----------
    outcomes : list of Outcome
        One for each file.
    complaints : list of str
        What belongs to no file.
    peak_mb : float
        Most memory of all processes of a run at a moment.
    largest_mb, seconds : dict of str to float
        Memory of the process that had a file open, and for how long it had.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    peak_mb: float = 0.0
    largest_mb: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Make the files, run the command on them, and tell what it did wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--files", type=int, default=6000, help="6,000 have each field of each seed lied about and cut"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds after which a file counts as a hang"
    )
    parser.add_argument("--limit-mb", type=float, default=1300.0, help="memory that a process may hold")
    parser.add_argument(
        "--tempo", help="the command, where it is not this checkout's, as a shell would read it"
    )
    parser.add_argument(
        "--of", metavar="NAME", nargs="+", help="make them of these seeds alone (wav_16, mp3, ...)"
    )
    parser.add_argument("--only", metavar="NAME", help="make the one file of this name")
    parser.add_argument(
        "--keep", type=Path, help="folder that files with a find are copied to, or that of --only"
    )
    parser.add_argument("--results", type=Path, help="file to keep what became of each file, JSON lines")
    parser.add_argument("--against", type=Path, help="such a file of another version, from the same files")
    options = parser.parse_args()
    try:
        seeds = make_seeds(options.of)
    except SeedError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    mutator = Mutator(seeds, options.seed)
    cases = list(islice(mutator.plan(), options.files))
    if options.only:
        number = options.only.split("-")[1]
        made = mutator.make(cases[int(number)])
        if made.name != options.only:
            parser.error(f"with this seed and ffmpeg, file {number} is {made.name}")
        folder = options.keep or Path()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / made.name).write_bytes(made.data)
        print(folder / made.name)
        return
    command = shlex.split(options.tempo) if options.tempo else [sys.executable, "-m", "tempocli"]
    start = time.monotonic()
    findings, checksum = run(mutator, seeds, cases, command, options)
    seconds = time.monotonic() - start
    if options.results:
        head = {"seed": options.seed, "checksum": checksum, "peak_mb": findings.peak_mb}
        lines = [json.dumps(head), *map(as_row, findings.outcomes)]
        options.results.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"seed {options.seed}, {len(cases)} files from {len(seeds)} seeds, {seconds:.0f} s; {checksum}")
    print(coverage(cases, mutator))
    bad = report(findings, options.limit_mb)
    if options.against:
        bad += compare(findings, checksum, options.against)
    print("", *(bad or ["all bars are met"]), sep="\n")
    raise SystemExit(1 if bad else 0)


def run(
    mutator: Mutator, seeds: list[Seed], cases: list[Case], command: list[str], options: argparse.Namespace
) -> tuple[Findings, str]:
    """Run the command on the seeds as they are, then on all cases in batches."""
    whole = [
        Made(
            Case(0, each.name, "none", "", ""),
            f"{each.name}.{each.extension}",
            each.data,
            _known(each),
            False,
        )
        for each in seeds
    ]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        untouched = Findings()
        run_batch(whole, work, command, options, untouched)
        tell_seeds(untouched)
        bombs = Findings(complaints=untouched.complaints, peak_mb=untouched.peak_mb)
        if not options.of:
            run_batch(make_bombs(), work, command, options, bombs)
            tell_bombs(bombs)
        findings = Findings([], bombs.complaints, bombs.peak_mb, bombs.largest_mb)
        checksum = hashlib.sha256()
        done = 0
        for first in range(0, len(cases), BATCH):
            made = [mutator.make(case) for case in cases[first : first + BATCH]]
            for each in made:
                checksum.update(f"{each.name}\n".encode() + hashlib.sha256(each.data).digest())
            run_batch(made, work, command, options, findings)
            done += len(made)
            say(f"{done} of {len(cases)} files, peak {findings.peak_mb:.0f} MB")
    return findings, checksum.hexdigest()[:16]


def _known(seed: Seed) -> tuple[float, ...]:
    return () if seed.bpm is None else (seed.bpm,)


def run_batch(
    made: list[Made], work: Path, command: list[str], options: argparse.Namespace, findings: Findings
) -> None:
    """Run the command on files, in a session of its own that is watched, and add what it came to."""
    folder, output = work / "files", work / "out.jsonl"
    folder.mkdir()
    for each in made:
        (folder / each.name).write_bytes(each.data)
    arguments = ["estimate", "files", "--include", "*", "-o", output.name, "--device", "cpu"]
    arguments += ["--jobs", str(options.jobs), "--timeout", f"{options.timeout:g}"]
    environment = dict(os.environ) | ({} if options.tempo else {"PYTHONPATH": str(ROOT)})
    with (work / "stdout").open("wb") as stdout, (work / "stderr").open("wb") as stderr:
        child = subprocess.Popen(
            [*command, *arguments],
            cwd=work,
            env=environment,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        with Watch(child.pid, folder, kill_mb=KILL_MB) as watch:
            status = child.wait()
    text = (work / "stderr").read_text(encoding="utf-8", errors="replace")
    outcomes, complaints = judge(made, output, text, "files")
    printed = (work / "stdout").read_text(encoding="utf-8", errors="replace")
    complaints += [f"on stdout: {line}" for line in printed.splitlines()]
    n_failed = sum(each.error is not None for each in outcomes)
    expected = 0 if not n_failed else 1 if n_failed == len(outcomes) else SOME_FAILED
    if status != expected:
        complaints.append(f"exit status {status}, where {expected} was expected")
    findings.outcomes += outcomes
    findings.complaints += complaints
    findings.peak_mb = max(findings.peak_mb, watch.peak_mb)
    for name, mb in watch.largest_mb.items():
        findings.largest_mb[name] = max(mb, findings.largest_mb.get(name, 0.0))
    findings.seconds |= watch.seconds
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            too_large = watch.largest_mb.get(outcome.name, 0.0) > options.limit_mb
            if outcome.breakdown or outcome.wrong or too_large:
                shutil.copy(folder / outcome.name, options.keep)
    shutil.rmtree(folder)
    output.unlink(missing_ok=True)


def coverage(cases: list[Case], mutator: Mutator) -> str:
    """Tell how many fields were lied about and cut."""
    by_kind = {
        kind: {(case.seed, case.what) for case in cases if case.mutation == kind} for kind in ("lie", "cut")
    }
    others = sum(case.mutation not in by_kind for case in cases)
    return (
        f"of {mutator.n_fields} fields {len(by_kind['lie'])} were lied about and {len(by_kind['cut'])} cut; "
        f"{others} files with other damage"
    )


def tell_seeds(untouched: Findings) -> None:
    """Name the seeds that are not answered rightly as they are: what is made of them shows less."""
    for each in untouched.outcomes:
        if each.right and (each.error or each.bpm is None or each.wrong):
            print(f"as it is, {each.name} gives {each.error or each.reason or each.bpm}")


def tell_bombs(bombs: Findings) -> None:
    """Say what became of the files that unpack to gigabytes, and what each cost."""
    bombs.complaints += [f"{each.name}: {each.breakdown}" for each in bombs.outcomes if each.breakdown]
    for each in bombs.outcomes:
        megabytes = bombs.largest_mb.get(each.name, 0.0)
        print(f"{each.name}: {each.error or each.reason or each.bpm}; {megabytes:.0f} MB")


def report(findings: Findings, limit_mb: float) -> list[str]:
    """Print what became of the files; return what must not be."""
    outcomes = findings.outcomes
    print("\n| | |", "|---|---|", sep="\n")
    for words, number in counts(outcomes).items():
        print(f"| {words} | {number} |")
    print(f"| peak memory of all processes, MB | {findings.peak_mb:.0f} |")
    show("reasons", kinds((each.name, each.error) for each in outcomes if each.error), most=60)
    show("notes", kinds((each.name, note) for each in outcomes for note in each.notes), most=30)
    for title, slow in (
        (f"over {SLOW_SECONDS:g} s", {name: s for name, s in findings.seconds.items() if s > SLOW_SECONDS}),
        (f"over {limit_mb:g} MB", {name: mb for name, mb in findings.largest_mb.items() if mb > limit_mb}),
    ):
        show(
            title,
            [(round(value), "", name) for name, value in sorted(slow.items(), key=lambda pair: -pair[1])],
        )
    print("\nconfident, wrong, without a note:\n")
    for each in outcomes:
        if each.wrong:
            rate = ", lies about the rate" if each.rate_lie else ""
            right = " or ".join(f"{bpm:g}" for bpm in each.right)
            print(
                f"- {each.name}: {each.bpm} ({each.confidence:.2f}), not {right}; {each.duration:.1f} s{rate}"
            )
    broken = [each for each in outcomes if each.breakdown]
    bad = [f"{each.breakdown}: {each.name}: {each.error}" for each in broken]
    unclear = [(each.name, text) for each in outcomes for text in each.texts if UNCLEAR.search(text)]
    bad += [f"unclear, {number} times: {text}: {name}" for number, text, name in kinds(unclear)]
    bad += [
        f"over {limit_mb:g} MB: {name}: {mb:.0f}" for name, mb in findings.largest_mb.items() if mb > limit_mb
    ]
    return bad + findings.complaints


def show(title: str, groups: list[tuple[int, str, str]], *, most: int = SHOWN) -> None:
    """Print groups of alike texts."""
    if groups:
        print(f"\n{title}:\n")
    for number, text, example in groups[:most]:
        print(f"- {number} {text} ({example})")
    if len(groups) > most:
        print(f"- and {len(groups) - most} kinds more")


def compare(findings: Findings, checksum: str, path: Path) -> list[str]:
    """Print two versions side by side; return what has become worse."""
    with path.open(encoding="utf-8") as file:
        head = json.loads(file.readline())
    if head["checksum"] != checksum:
        return [f"{path} is of other files: checksum {head['checksum']}"]
    others = read_rows(path)
    ours, theirs = counts(findings.outcomes), counts(others)
    print("\n| | this | other |", "|---|---|---|", sep="\n")
    for words, number in ours.items():
        print(f"| {words} | {number} | {theirs[words]} |")
    print(f"| peak memory of all processes, MB | {findings.peak_mb:.0f} | {head['peak_mb']:.0f} |")
    wrong_there = {each.name for each in others if each.wrong}
    new = [(1, "", each.name) for each in findings.outcomes if each.wrong and each.name not in wrong_there]
    show("wrong here and not there", new, most=60)
    ours_share, theirs_share = (
        ours[WRONG] / max(1, ours[CONFIDENTLY]),
        theirs[WRONG] / max(1, theirs[CONFIDENTLY]),
    )
    worse = f"{WRONG}: {ours_share:.2%} of confident answers, the other {theirs_share:.2%}"
    return [worse] if ours_share > theirs_share else []


if __name__ == "__main__":
    main()
