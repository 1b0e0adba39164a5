"""Where the parts of a file and the fields of their headers are, so that each can be lied about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

_WORD = 4
_MOST_WORDS = 3  # of a body whose fields have no names here


@dataclass(frozen=True, slots=True)
class Field:
    """A number in a header.

    Attributes
    ----------
    name : str
        With ``rate`` in it exactly when it decides the sample rate.
    bit, bits : int
        Where it begins in the file, from the highest bit of the first byte, and its width.
    little : bool
        Whether its bytes come lowest first; then it fills whole bytes.
    """

    name: str
    bit: int
    bits: int
    little: bool = False

    @property
    def start(self) -> int:
        """First byte."""
        return self.bit // 8

    @property
    def end(self) -> int:
        """First byte behind it."""
        return (self.bit + self.bits + 7) // 8

    def read(self, data: bytes) -> int:
        """Read the value."""
        raw = data[self.start : self.end]
        if self.little:
            return int.from_bytes(raw, "little")
        return int.from_bytes(raw, "big") >> self._below & ((1 << self.bits) - 1)

    def write(self, data: bytes, value: int) -> bytes:
        """Put another value, of which the lowest bits count, in its place."""
        value &= (1 << self.bits) - 1
        size = self.end - self.start
        if not self.little:
            mask = ((1 << self.bits) - 1) << self._below
            old = int.from_bytes(data[self.start : self.end], "big")
            value = old & ~mask | value << self._below
        return (
            data[: self.start] + value.to_bytes(size, "little" if self.little else "big") + data[self.end :]
        )

    @property
    def _below(self) -> int:
        return 8 * self.end - self.bit - self.bits


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk, box, page, element or frame: its header, its body, and the fields that are known of both."""

    name: str
    start: int
    body: int
    end: int
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a container of chunks is written.

    Attributes
    ----------
    id_size, size_size : int
        Bytes of the name and of the size of a chunk.
    little : bool
        Whether numbers have their lowest byte first.
    size_first : bool
        Whether the size comes before the name.
    counts_header : bool
        Whether the size includes the header.
    align : int
        Chunks begin at multiples of this.
    extra : int
        Bytes of a chunk that its size leaves out, beside the header.
    first : int
        Where the first chunk begins.
    opening : str
        Fields before the first chunk, see `named_fields`.
    nested : dict of bytes to int
        Chunks that hold chunks, and the bytes before them.
    fields : dict of bytes to str
        Fields of bodies; of all others the first words are taken.
    """

    id_size: int = 4
    size_size: int = 4
    little: bool = False
    size_first: bool = False
    counts_header: bool = False
    align: int = 1
    extra: int = 0
    first: int = 0
    opening: str = ""
    nested: dict[bytes, int] = field(default_factory=dict)
    fields: dict[bytes, str] = field(default_factory=dict)


def named_fields(prefix: str, spec: str, start: int, end: int, *, little: bool) -> list[Field]:
    """Lay fields over bytes `start` to `end`.

    Parameters
    ----------
    prefix : str
        Begins their names.
    spec : str
        ``name:bytes`` or, for a width in bits, ``name.bits``, one after another; ``+`` at its end takes
        words for what is left.
    start, end : int
        Bytes of the file.
    little : bool
        Whether numbers have their lowest byte first.
    """
    found: list[Field] = []
    bit = 8 * start
    for each in spec.split():
        if each == "+":
            break
        name, dot, width = each.partition(":" if ":" in each else ".")
        bits = int(width) * (8 if dot == ":" else 1)
        if bit + bits > 8 * end:
            return found
        if name != "_":
            found.append(Field(f"{prefix}.{name}", bit, bits, little and dot == ":"))
        bit += bits
    if not spec or spec.endswith("+"):
        place = (bit + 7) // 8
        for number in range(min(_MOST_WORDS, (end - place) // _WORD)):
            found.append(Field(f"{prefix}.w{number}", 8 * (place + _WORD * number), 8 * _WORD, little))
    return found


def chunks(data: bytes, grammar: Grammar) -> list[Part]:
    """Find the chunks of a file, outer ones before what they hold."""
    found = []
    if grammar.first:
        little = grammar.little
        opening = named_fields("start", grammar.opening, 0, grammar.first, little=little)
        found.append(Part("start", 0, grammar.first, grammar.first, tuple(opening)))
    return found + _chunks(data, grammar, grammar.first, len(data), 0)


def _chunks(data: bytes, grammar: Grammar, place: int, end: int, depth: int) -> list[Part]:
    found: list[Part] = []
    header = grammar.id_size + grammar.size_size
    while place + header <= end and depth < 12:
        id_at, size_at = (0, grammar.id_size)
        if grammar.size_first:
            id_at, size_at = (grammar.size_size, 0)
        identity = data[place + id_at : place + id_at + grammar.id_size]
        size_field = Field("size", 8 * (place + size_at), 8 * grammar.size_size, grammar.little)
        size = size_field.read(data) + (0 if grammar.counts_header else header) + grammar.extra
        body, stop = place + header, min(end, place + max(size, header))
        name = _spelled(identity)
        spec = grammar.fields.get(identity, "")
        inside = grammar.nested.get(identity)
        if inside is not None and not spec:
            spec = "_:0"  # what it holds has fields of its own
        fields = [
            Field(f"{name}.id", 8 * (place + id_at), 8 * grammar.id_size),
            Field(f"{name}.size", size_field.bit, size_field.bits, grammar.little),
            *named_fields(name, spec, body, stop, little=grammar.little),
        ]
        found.append(Part(name, place, body, stop, tuple(fields)))
        if inside is not None:
            found += _chunks(data, grammar, body + inside, stop, depth + 1)
        place = stop + -stop % grammar.align
    return found


def _spelled(identity: bytes) -> str:
    text = identity[:4].decode("latin-1").strip()
    if len(identity) > 1 and text.isascii() and text.replace("_", "a").replace(".", "a").isalnum():
        return text
    return identity[:4].hex()


def frames(
    data: bytes, name: str, sync: bytes, mask: int, spec: str, *, least: int, start: int = 0
) -> list[Part]:
    """Find frames by the bits that each begins with.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Of a frame.
    sync : bytes
        What a frame begins with, `mask` telling which bits of it count.
    mask : int
        As many bits as `sync` has.
    spec : str
        See `named_fields`.
    least : int
        Bytes of the shortest frame.
    start : int
        Where to begin.
    """
    size, wanted = len(sync), int.from_bytes(sync, "big") & mask
    heads: dict[int, bytes] = {}
    place = start
    while (place := data.find(sync[:1], place)) >= 0:
        head = data[place : place + size]
        if len(head) == size and int.from_bytes(head, "big") & mask == wanted:
            heads[place] = head
        place += 1
    # What only looks like a frame has other bits beside those than the first one, or than most.
    usual = heads.get(start) or next((head for head, _ in Counter(heads.values()).most_common(1)), None)
    places: list[int] = []
    for place, head in heads.items():
        if head == usual and (not places or place >= places[-1] + least):
            places.append(place)
    return [
        Part(name, here, here + size, there, tuple(named_fields(name, spec, here, there, little=False)))
        for here, there in pairwise([*places, len(data)])
    ]
