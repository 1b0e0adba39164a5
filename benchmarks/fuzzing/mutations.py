"""What is done to a seed: a plan of cases that the number of a seed settles, and how each is made."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from fuzzing.containers import find_parts, rates, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzzing.layout import Field, Part
    from fuzzing.seeds import Seed

LIES = ("zero", "one", "max", "sign", "plus", "minus", "double", "half", "positive", "bomb", "random")
_EVERY_OTHER = 6  # each such case is none of lies and cuts, until those have all been made
_HEADER_BYTES = 256
_DEEP = 20_000
_COUNTS = (".count", ".frames", ".packets", ".samples", "stsz.entries", "stsz.size_of_all")
_BOMB = 80_000_000  # few enough to be believed, and too many


@dataclass(frozen=True, slots=True)
class Case:
    """One file that is to be made.

    Attributes
    ----------
    number : int
        Its place in the plan.
    seed : str
        The file that it is made from.
    mutation : str
        What is done to it.
    what : str
        With which field or part, if any.
    salt : str
        Settles every choice that is left.
    """

    number: int
    seed: str
    mutation: str
    what: str
    salt: str


@dataclass(frozen=True, slots=True)
class Made:
    """A file.

    Attributes
    ----------
    case : Case
        How it was made.
    name : str
        Of the file, from which `--only` makes it again.
    data : bytes
        Its content.
    right : tuple of float
        Tempi that its music has.
    rate_lie : bool
        Whether it says another sample rate than its seed.
    """

    case: Case
    name: str
    data: bytes
    right: tuple[float, ...]
    rate_lie: bool


class Mutator:
    """Plans and makes cases.

    Parameters
    ----------
    seeds : list of Seed
        What they are made from.
    seed : int
        The same one makes the same files.
    """

    def __init__(self, seeds: list[Seed], seed: int) -> None:
        self._seeds = {each.name: each for each in seeds}
        self._seed = seed
        self._parts = {each.name: find_parts(each.data, each.container) for each in seeds}
        self._rates = {each.name: rates(each.data, each.container) for each in seeds}
        self._others: dict[str, Callable[[Seed, random.Random], bytes]] = {
            "flip1": lambda seed, rng: _flip(seed.data, rng, 1, len(seed.data)),
            "flip100": lambda seed, rng: _flip(seed.data, rng, 100, len(seed.data)),
            "flip5000": lambda seed, rng: _flip(seed.data, rng, 5000, len(seed.data)),
            "head-flip1": lambda seed, rng: _flip(seed.data, rng, 1, _HEADER_BYTES),
            "head-flip10": lambda seed, rng: _flip(seed.data, rng, 10, _HEADER_BYTES),
            "truncated": lambda seed, rng: seed.data[: rng.randrange(1, len(seed.data))],
            "zeros": lambda seed, rng: _overwrite(seed.data, rng, bytes(rng.randrange(1, 20_000))),
            "noise": lambda seed, rng: _overwrite(seed.data, rng, rng.randbytes(rng.randrange(1, 20_000))),
            "lost": _lose,
            "appended": lambda seed, rng: seed.data + rng.randbytes(rng.randrange(1, 50_000)),
            "prepended": lambda seed, rng: rng.randbytes(rng.randrange(1, 5000)) + seed.data,
            "twice": lambda seed, rng: seed.data + seed.data,
            "renamed": lambda seed, rng: seed.data,
            "splice": lambda seed, rng: seed.data,  # made below, where the other seed is known
        }

    def plan(self) -> Iterator[Case]:
        """List cases without end: every field lied about and cut, other damage among them, then lies anew."""
        rng = random.Random(f"plan {self._seed}")
        fields = [(name, field.name) for name in self._seeds for field in self._fields(name)]
        lies = [(name, "lie", what) for name, what in fields]
        claims = [(name, "claims", "") for name in self._seeds if self._claims(name)]
        structured = [*lies, *((name, "cut", what) for name, what in fields), *claims]
        rng.shuffle(structured)
        names, others = list(self._seeds), [*self._others, *_PART_MUTATIONS, "everywhere", "lies"]
        for number in count():
            if not structured:
                structured = rng.sample(lies, len(lies))
            if number % _EVERY_OTHER:
                name, mutation, what = structured.pop()
            else:
                name, mutation, what = rng.choice(names), rng.choice(others), ""
            yield Case(number, name, mutation, what, f"{self._seed} {number}")

    @property
    def n_fields(self) -> int:
        """Number of fields of all seeds."""
        return sum(len(self._fields(name)) for name in self._seeds)

    def make(self, case: Case) -> Made:
        """Make a file."""
        seed, rng = self._seeds[case.seed], random.Random(case.salt)
        right = {seed.bpm}
        extension, mutation, detail, data = seed.extension, case.mutation, case.what, seed.data
        if mutation in {"lie", "cut", "everywhere"}:
            detail, data = self._falsify(seed, case, rng)
        elif mutation == "claims":
            data = self._claim(seed)
        elif mutation == "lies":
            detail, data = self._falsify_part(seed, rng)
        elif mutation in _PART_MUTATIONS:
            part, after = self._pick_parts(seed, rng)
            detail, data = part.name, _PART_MUTATIONS[mutation](data, part, after, rng)
        else:
            data = self._others[mutation](seed, rng)
        if mutation in {"splice", "renamed"}:
            other = self._seeds[rng.choice(sorted(self._seeds))]
            detail = other.name
            if mutation == "renamed":
                extension = other.extension
            else:
                right.add(other.bpm)
                data = data[: rng.randrange(len(data))] + other.data[rng.randrange(len(other.data)) :]
        label = re.sub(r"[^\w.]+", "_", detail)
        name = f"s{self._seed}-{case.number:05d}-{seed.name}-{mutation}{'-' * bool(label)}{label}.{extension}"
        known = tuple(bpm for bpm in right if bpm is not None)
        # A splice may bring another file's rate rightly.
        told = set() if mutation == "splice" else rates(data, seed.container) - self._rates[seed.name]
        return Made(case, name, data, known if len(known) == len(right) else (), bool(told))

    def _fields(self, name: str) -> list[Field]:
        """List one field of each name: of repeated parts that in the middle, where playing has begun."""
        found: dict[str, list[Field]] = {}
        for part in self._parts[name]:
            for field in part.fields:
                found.setdefault(field.name, []).append(field)
        # Where there are two or three (pages of headers, tracks, chunks of one name), the first counts.
        return [same[0] if len(same) < 4 else same[len(same) // 2] for same in found.values()]

    def _falsify(self, seed: Seed, case: Case, rng: random.Random) -> tuple[str, bytes]:
        fields = self._fields(seed.name)
        field = next(each for each in fields if each.name == case.what) if case.what else rng.choice(fields)
        if case.mutation == "cut":
            return field.name, seed.data[: (field.start + field.end) // 2]
        lie = rng.choice(LIES)
        value = _lie(lie, field, seed.data, rng)
        places = [field]
        if case.mutation == "everywhere":
            places = [
                each for part in self._parts[seed.name] for each in part.fields if each.name == field.name
            ]
        data = seed.data
        for place in places:
            data = seal(place.write(data, value), seed.container, place.start)
        return f"{field.name}.{lie}", data

    def _claims(self, name: str) -> list[Field]:
        """List the fields that say how many there are of something."""
        return [field for field in self._fields(name) if field.name.endswith(_COUNTS) and field.bits > 8]

    def _claim(self, seed: Seed) -> bytes:
        """Claim far more of everything that is counted; where one size is for all, it takes no table."""
        data = seed.data
        for field in self._claims(seed.name):
            value = 1 if field.name.endswith("size_of_all") else _BOMB
            data = seal(field.write(data, value), seed.container, field.start)
        return data

    def _falsify_part(self, seed: Seed, rng: random.Random) -> tuple[str, bytes]:
        """Lie about half the fields of a part; a lie alone may be seen through."""
        part, _ = self._pick_parts(seed, rng)
        data = seed.data
        for field in part.fields:
            if rng.random() < 0.5:
                data = seal(
                    field.write(data, _lie(rng.choice(LIES), field, data, rng)), seed.container, field.start
                )
        return part.name, data

    def _pick_parts(self, seed: Seed, rng: random.Random) -> tuple[Part, Part]:
        parts = self._parts[seed.name]
        by_name: dict[str, list[int]] = {}
        for index, part in enumerate(parts):
            by_name.setdefault(part.name, []).append(index)
        index = rng.choice(by_name[rng.choice(sorted(by_name))])
        later = [part for part in parts[index + 1 :] if part.start >= parts[index].end]
        return parts[index], later[0] if later else parts[index]


def _lie(lie: str, field: Field, data: bytes, rng: random.Random) -> int:
    old, most = field.read(data), (1 << field.bits) - 1
    return {
        "zero": 0,
        "one": 1,
        "max": most,
        "sign": 1 << field.bits - 1,
        "plus": old + 1,
        "minus": old - 1,
        "double": 2 * old,
        "half": old // 2,
        "positive": most >> 1,
        "bomb": min(_BOMB, most),
        "random": rng.getrandbits(field.bits),
    }[lie]


def _flip(data: bytes, rng: random.Random, bits: int, end: int) -> bytes:
    flipped = bytearray(data)
    for _ in range(bits):
        flipped[rng.randrange(min(end, len(data)))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _overwrite(data: bytes, rng: random.Random, new: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + new[: len(data) - place] + data[place + len(new) :]


def _lose(seed: Seed, rng: random.Random) -> bytes:
    place = rng.randrange(len(seed.data))
    return seed.data[:place] + seed.data[place + rng.randrange(1, 20_000) :]


# Of each: the file, the part, the next part behind it, chance.
_PART_MUTATIONS: dict[str, Callable[[bytes, Part, Part, random.Random], bytes]] = {
    "removed": lambda data, part, after, rng: data[: part.start] + data[part.end :],
    "doubled": lambda data, part, after, rng: data[: part.end] + data[part.start :],
    "swapped": lambda data, part, after, rng: (
        data[: part.start]
        + data[after.start : after.end]
        + data[part.end : after.start]
        + data[part.start : part.end]
        + data[after.end :]
        if after.start >= part.end
        else data[: part.start] + data[part.end :] + data[part.start : part.end]
    ),
    "moved-last": lambda data, part, after, rng: (
        data[: part.start] + data[part.end :] + data[part.start : part.end]
    ),
    "nested": lambda data, part, after, rng: (
        data[: part.body] + data[part.start : part.end] + data[part.body :]
    ),
    "nested-deep": lambda data, part, after, rng: (
        data[: part.start] + data[part.start : part.body][:64] * _DEEP + data[part.start :]
    ),
    "emptied": lambda data, part, after, rng: (
        data[: part.body] + bytes(part.end - part.body) + data[part.end :]
    ),
    "shortened": lambda data, part, after, rng: (
        data[: (part.body + part.end) // 2] + data[part.end :]
    ),
    "grown": lambda data, part, after, rng: (
        data[: part.end] + rng.randbytes(rng.randrange(1, 5000)) + data[part.end :]
    ),
    "many": lambda data, part, after, rng: (
        data[: part.end] + data[part.start : part.end][:2000] * 200 + data[part.end :]
    ),
}  # fmt: skip
