"""Measure what profiles learned from a few corrected tracks do to the other tracks of the same user.

    python benchmarks/profiles.py ../shared/data/dev.csv ../shared/data/dev2.csv

The tables have the columns `path`, `bpm` and `source`. Groups of sources stand for users. A profile is
learned from random tracks of a group, and scored on the rest: the change of Accuracy 1 in points. Files are
analysed once, and what is learned from is kept in `--cache`. Printed as Markdown:

- the change with 20 and with 5 tracks;
- with the 20 most doubtful of one half, scored on the other half;
- what the best single exponent, chosen in hindsight on all tracks of a group, would reach;
- what is learned from all tracks but the one that is scored;
- for made-up users, who count the same tracks by a rule: the change with 20 and with 5 tracks, and with an
  exponent alone;
- what is learned from a group of the first table, scored on that of the second;
- how many estimates change for a user who accepts all;
- how well the confidence in the octave is calibrated without and with the profile.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.batch import process_files
from tempocli.decoding.distributions import calibrated, find_peaks, mass_near
from tempocli.decoding.profiles.collecting import EvidenceCollector
from tempocli.decoding.profiles.fitting import Data, fit_exponent
from tempocli.decoding.profiles.learning import Evidence, learn, tempo_under
from tempocli.decoding.profiles.profile import Profile, ProfileModel
from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.inference.spec import ModelSpec

GROUPS = {
    "games": ("fnf", "clonehero", "beatsaber", "stepmania", "osu"),
    "GTZAN": ("gtzan_m", "gtzan_z"),
    "Kevin MacLeod": ("kmacleod",),
}
SIZES = (20, 5)


def _between(low: float) -> Callable[[float], float]:
    """Count all music within an octave."""
    return lambda bpm: low * 2.0 ** (math.log2(bpm / low) % 1.0)


MADE: dict[str, Callable[[float], float]] = {
    "all between 60 and 120": _between(60.0),
    "all between 70 and 140": _between(70.0),
    "all between 80 and 160": _between(80.0),
    "all between 100 and 200": _between(100.0),
    "doubles below 90": lambda bpm: 2.0 * bpm if bpm < 90.0 else bpm,
    "halves above 150": lambda bpm: 0.5 * bpm if bpm > 150.0 else bpm,
}
_EXPONENT_PRIOR = (2.0, 0.7)  # the wider one of `learn`
_FAMILY = (1.0, 2.0, 3.0, 0.5, 1 / 3)  # of Accuracy 2
_LEAST = 25  # tracks in a group
_EXPONENTS = np.arange(-3.0, 3.01, 0.25)
_CHECKED = 12  # files whose estimate under a profile is compared with what is computed here


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The tracks of one user."""

    name: str
    paths: list[str]
    evidence: list[Evidence]
    tempi: list[float]

    def chosen(self, indices: Sequence[int]) -> Group:
        """Return some of the tracks."""
        return Group(
            self.name,
            [self.paths[i] for i in indices],
            [self.evidence[i] for i in indices],
            [self.tempi[i] for i in indices],
        )


def main() -> None:
    """Analyse, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tempo-profiles")
    options = parser.parse_args()
    estimator = Estimator(device="cpu")
    options.cache.mkdir(parents=True, exist_ok=True)
    tables = [(path, read_groups(path, estimator, options.cache, options.jobs)) for path in options.tables]
    spec = estimator.spec
    for size in SIZES:
        print(f"\nLearned from {size} tracks, {options.draws} draws, Accuracy 1 on the rest:\n")
        print(
            "| users | tracks | before | change | 10th percentile | of Accuracy 2 | profiles without effect |"
        )
        print("|---|---|---|---|---|---|---|")
        for path, groups in tables:
            for group in groups:
                print(draws_row(path.stem, group, spec, size, options.draws))
    print(f"\nLearned from the {SIZES[0]} most doubtful tracks of one half, on the other half:\n")
    print("| users | learned from | change |\n|---|---|---|")
    for path, groups in tables:
        for group in groups:
            print(doubtful_row(path.stem, group, spec, options.draws))
    print("\nThe best exponent of all tracks, chosen in hindsight:\n")
    print("| users | before | best exponent | reached | 0.25 beside it, at worst |\n|---|---|---|---|---|")
    for path, groups in tables:
        for group in groups:
            print(hindsight_row(path.stem, group, spec))
    print("\nLearned from all tracks but the one that is scored:\n")
    print("| users | before | change |\n|---|---|---|")
    for path, groups in tables:
        for group in groups:
            print(others_row(path.stem, group, spec))
    print(f"\nMade-up users, who count the tracks of {options.tables[0].stem} by a rule:\n")
    print(
        "| user | tracks of | before | from 20 | of Accuracy 2 | by an exponent | from 5 |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, rule in MADE.items():
        for group in tables[0][1]:
            made = replace(group, tempi=[rule(bpm) for bpm in group.tempi])
            print(made_row(name, made, spec, options.draws))
    if len(tables) == 2:
        print("\nLearned from 20 tracks of the first table, scored on the second:\n")
        print("| users | before | change |\n|---|---|---|")
        others = {group.name: group for group in tables[1][1]}
        for group in tables[0][1]:
            if group.name in others:
                print(transfer_row(group, others[group.name], spec, options.draws))
    print("\nA user who accepts 20 estimates as they are:\n")
    print("| users | changed estimates of the rest |\n|---|---|")
    for path, groups in tables:
        for group in groups:
            print(accepting_row(path.stem, group, spec, options.draws))
    print("\nConfidence in the octave, of estimates right up to a factor of 2 or 3, on the rest of 20:\n")
    print("| users | right, before | said | right, with the profile | said |\n|---|---|---|---|---|")
    for path, groups in tables:
        for group in groups:
            print(confidence_row(path.stem, group, spec, options.draws))
    first = tables[0][1][0]
    print(f"\n{check(estimator, first, options.tables[0].parent)}")


def read_groups(table: Path, estimator: Estimator, cache: Path, jobs: int) -> list[Group]:
    """Read the groups of a table that have enough tracks, with their evidence."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    key = Profile(ProfileModel.of(estimator.spec)).digest
    evidence = _evidence(rows, table.parent, estimator, cache / f"{table.stem}-{len(rows)}-{key}.npz", jobs)
    groups = []
    for name, sources in GROUPS.items():
        chosen = [i for i, row in enumerate(rows) if row["source"] in sources and evidence[i] is not None]
        if len(chosen) >= _LEAST:
            known = [each for i in chosen if (each := evidence[i]) is not None]
            tempi = [float(rows[i]["bpm"]) for i in chosen]
            groups.append(Group(name, [rows[i]["path"] for i in chosen], known, tempi))
    return groups


def _evidence(
    rows: list[dict[str, str]], folder: Path, estimator: Estimator, kept: Path, jobs: int
) -> list[Evidence | None]:
    if not kept.is_file():
        paths = [str(folder / row["path"]) for row in rows]
        found = [each.evidence for each in process_files(EvidenceCollector(estimator), paths, jobs=jobs)]
        some = next(each for each in found if each is not None)
        blank = Evidence(None, np.full_like(some.distribution, np.nan), np.zeros_like(some.embedding))
        full = [each or blank for each in found]
        np.savez(
            kept,
            bpm=np.array([np.nan if each.bpm is None else each.bpm for each in full]),
            distribution=np.stack([each.distribution for each in full]),
            embedding=np.stack([each.embedding for each in full]),
        )
    data = np.load(kept)
    return [
        None if np.isnan(distribution).any() else Evidence(None if np.isnan(bpm) else float(bpm), *arrays)
        for bpm, distribution, embedding in zip(
            data["bpm"], data["distribution"], data["embedding"], strict=True
        )
        for arrays in [(distribution, embedding)]
    ]


def right(bpm: float | None, said: float) -> bool:
    """Return whether an estimate is right by Accuracy 1."""
    return bpm is not None and abs(bpm / said - 1.0) <= TOLERANCE


def rights(
    group: Group, profile: Profile | None, axis: TempoAxis, factors: tuple[float, ...] = (1.0,)
) -> NDArray[np.bool_]:
    """Return which estimates of a group are right under a profile, up to some factors."""
    tempi = [each.bpm if profile is None else tempo_under(profile, each, axis) for each in group.evidence]
    return np.array(
        [
            any(right(bpm, said * factor) for factor in factors)
            for bpm, said in zip(tempi, group.tempi, strict=True)
        ]
    )


def draws(group: Group, size: int, n_draws: int) -> list[tuple[Group, Group]]:
    """Split a group at random into the tracks to learn from and the rest, many times."""
    rng = np.random.default_rng(0)
    splits = []
    for _ in range(n_draws):
        order = rng.permutation(len(group.tempi))
        splits.append((group.chosen(list(order[:size])), group.chosen(list(order[size:]))))
    return splits


def draws_row(table: str, group: Group, spec: ModelSpec, size: int, n_draws: int) -> str:
    """Return the mean change of Accuracy 1 on the rest."""
    changes, families, idle = [], [], 0
    for some, rest in draws(group, size, n_draws):
        profile = learn(some.evidence, some.tempi, spec).profile
        idle += profile.changes_nothing
        before, after = (rights(rest, each, spec.axis).mean() for each in (None, profile))
        changes.append(100.0 * (after - before))
        before, after = (rights(rest, each, spec.axis, _FAMILY).mean() for each in (None, profile))
        families.append(100.0 * (after - before))
    start = 100.0 * rights(group, None, spec.axis).mean()
    low = np.quantile(changes, 0.1)
    return (
        f"| {group.name} ({table}) | {len(group.tempi)} | {start:.1f} | {np.mean(changes):+.2f} | {low:+.1f} "
        f"| {np.mean(families):+.2f} | {100.0 * idle / n_draws:.0f} % |"
    )


def doubtful_row(table: str, group: Group, spec: ModelSpec, n_draws: int) -> str:
    """Return the change on unseen tracks, if a person corrects in the order of `tempo review`."""
    shares = [find_peaks(each.distribution, spec.axis)[0].mass for each in group.evidence]
    doubt = np.array(
        [2.0 if e.bpm is None else share for e, share in zip(group.evidence, shares, strict=True)]
    )
    rng = np.random.default_rng(0)
    changes = []
    n_half = len(doubt) // 2
    size = min(SIZES[0], 2 * n_half // 3)
    for _ in range(n_draws):
        order = rng.permutation(len(doubt))
        heard, rest = order[:n_half], group.chosen(list(order[n_half:]))
        some = group.chosen(list(heard[np.argsort(doubt[heard])[:size]]))
        profile = learn(some.evidence, some.tempi, spec).profile
        before, after = (rights(rest, each, spec.axis).mean() for each in (None, profile))
        changes.append(100.0 * (after - before))
    return f"| {group.name} ({table}) | {size} of {n_half} | {np.mean(changes):+.2f} |"


def hindsight_row(table: str, group: Group, spec: ModelSpec) -> str:
    """Return what one exponent could reach."""
    blank = Profile(ProfileModel.of(spec))
    reached = [rights(group, replace(blank, exponent=float(each)), spec.axis).mean() for each in _EXPONENTS]
    best = int(np.argmax(reached))
    beside = 100.0 * min(reached[max(0, best - 1) : best + 2])
    start = 100.0 * rights(group, None, spec.axis).mean()
    cells = f"{_EXPONENTS[best]:+.2f} | {100.0 * reached[best]:.1f} | {beside:.1f}"
    return f"| {group.name} ({table}) | {start:.1f} | {cells} |"


def others_row(table: str, group: Group, spec: ModelSpec) -> str:
    """Return the change if each track is estimated with what all others of the group say."""
    after = []
    for place in range(len(group.tempi)):
        others = group.chosen([i for i in range(len(group.tempi)) if i != place])
        profile = learn(others.evidence, others.tempi, spec).profile
        after.append(rights(group.chosen([place]), profile, spec.axis)[0])
    start = 100.0 * rights(group, None, spec.axis).mean()
    return f"| {group.name} ({table}) | {start:.1f} | {100.0 * np.mean(after) - start:+.2f} |"


def made_row(user: str, group: Group, spec: ModelSpec, n_draws: int) -> str:
    """Return the changes for a user who counts by a rule."""
    model = ProfileModel.of(spec)
    cells = []
    for size in SIZES:
        learned, alone, families = [], [], []
        for some, rest in draws(group, size, n_draws):
            profile = learn(some.evidence, some.tempi, spec).profile
            fit = fit_exponent(Data.of(some.evidence, some.tempi, spec.axis), _EXPONENT_PRIOR)
            before, after, by_exponent = (
                rights(rest, each, spec.axis).mean() for each in (None, profile, Profile(model, **fit.values))
            )
            learned.append(100.0 * (after - before))
            alone.append(100.0 * (by_exponent - before))
            before, after = (rights(rest, each, spec.axis, _FAMILY).mean() for each in (None, profile))
            families.append(100.0 * (after - before))
        cells += [f"{np.mean(each):+.1f}" for each in (learned, families, alone)]
    start = 100.0 * rights(group, None, spec.axis).mean()
    return f"| {user} | {group.name} | {start:.1f} | {' | '.join(cells[:4])} |"


def transfer_row(group: Group, other: Group, spec: ModelSpec, n_draws: int) -> str:
    """Return the change on another table."""
    before = rights(other, None, spec.axis).mean()
    changes = [
        rights(other, learn(some.evidence, some.tempi, spec).profile, spec.axis).mean() - before
        for some, _ in draws(group, SIZES[0], n_draws)
    ]
    return f"| {group.name} | {100.0 * before:.1f} | {100.0 * np.mean(changes):+.2f} |"


def accepting_row(table: str, group: Group, spec: ModelSpec, n_draws: int) -> str:
    """Return how many estimates change for a user who is content with all."""
    heard = group.chosen([i for i, each in enumerate(group.evidence) if each.bpm is not None])
    content = replace(heard, tempi=[each.bpm for each in heard.evidence if each.bpm is not None])
    changed = []
    for some, rest in draws(content, SIZES[0], n_draws):
        profile = learn(some.evidence, some.tempi, spec).profile
        changed.append(100.0 * (1.0 - rights(rest, profile, spec.axis).mean()))
    return f"| {group.name} ({table}) | {np.mean(changed):.2f} % |"


def confidence_row(table: str, group: Group, spec: ModelSpec, n_draws: int) -> str:
    """Return how often the octave is right, and what is said of it."""
    blank = Profile(ProfileModel.of(spec))
    found: dict[bool, list[tuple[bool, float]]] = {False: [], True: []}
    for some, rest in draws(group, SIZES[0], n_draws):
        profile = learn(some.evidence, some.tempi, spec).profile
        for with_profile, each in ((False, blank), (True, profile)):
            for evidence, said in zip(rest.evidence, rest.tempi, strict=True):
                octave = _octave(each, evidence, said, spec)
                if octave is not None:
                    found[with_profile].append(octave)
    cells = [f"{100.0 * mean:.1f} %" for each in found.values() for mean in np.mean(each, axis=0)]
    return f"| {group.name} ({table}) | {' | '.join(cells)} |"


def _octave(profile: Profile, evidence: Evidence, said: float, spec: ModelSpec) -> tuple[bool, float] | None:
    """Return whether the octave is right and its confidence, if the tempo is right up to a factor."""
    if evidence.bpm is None:
        return None
    distribution = evidence.distribution * profile.weights(spec.axis.bpms, evidence.embedding)
    distribution /= distribution.sum()
    peak = find_peaks(distribution, spec.axis)[0]
    factors = (0.5, 2.0, 1 / 3, 3.0)
    if not any(right(peak.bpm * factor, said) for factor in (1.0, *factors)):
        return None
    family = peak.mass + sum(mass_near(distribution, spec.axis, peak.bpm * factor) for factor in factors)
    return right(peak.bpm, said), calibrated(peak.mass / min(1.0, family), spec.calibration.octave)


def check(estimator: Estimator, group: Group, folder: Path) -> str:
    """Compare what is computed here with estimates of the real thing."""
    profile = replace(Profile(ProfileModel.of(estimator.spec)), exponent=1.5)
    under = Estimator(device="cpu", profile=profile)
    same = 0
    for path, evidence in zip(group.paths[:_CHECKED], group.evidence, strict=False):
        bpm = under.estimate(folder / path).bpm
        expected = tempo_under(profile, evidence, estimator.spec.axis)
        same += (bpm is None) == (expected is None) and (bpm is None or right(bpm, expected or 1.0))
    return f"{same} of {_CHECKED} estimates with a profile are as computed from what is kept."


if __name__ == "__main__":
    main()
