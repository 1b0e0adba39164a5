"""Repair wrong headers of files whose samples are complete, for reading only.

Some headers state fewer samples than the file has, for example if a recorder died before it wrote the final
size. libsndfile trusts such a size, and so does FFmpeg, except for a zero in a WAV file. Other headers
contradict themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import SEEK_END, SEEK_SET
from typing import TYPE_CHECKING

from tempocli.audio.decoders.continuation import COMPARED, Samples, looks_alike
from tempocli.audio.decoders.wav_format import (
    BITS_AT,
    FORMAT_SIZE,
    contradicts_itself,
    likely_bits,
    wav_samples,
)

if TYPE_CHECKING:
    from io import FileIO
    from typing import Literal

# Fewer bytes than this after the samples are padding.
_LEFT_OVER = 4096
_MAX_CHUNKS = 1000
# Of an AIFF file's format, up to the name of the codec.
_COMM_SIZE = 22
# Bytes per sample by the encoding number of AU.
_AU_WIDTHS = {2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8}
_AU_FLOATS = {6, 7}
# The name of a chunk that readers ignore.
_SKIPPED = b"junk"
# A program that writes to a pipe does not know the size and states the maximum.
_UNKNOWN_SIZE = 0x7FFF0000
_UNKNOWN = b"\xff\xff\xff\xff"


class PatchedFile:
    """A view of a file with some bytes replaced; the file itself is not changed.

    Parameters
    ----------
    file : FileIO
        A seekable file.
    patches : dict of int to bytes
        Replacement bytes by position; they do not overlap.
    """

    def __init__(self, file: FileIO, patches: dict[int, bytes]) -> None:
        self._file = file
        self._patches = patches

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Seek to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read bytes, with the replacements applied."""
        start = self._file.tell()
        data = self._file.read(size)
        for position, value in self._patches.items():
            first = max(start, position)
            last = min(start + len(data), position + len(value))
            if first < last:
                patch = value[first - position : last - position]
                data = data[: first - start] + patch + data[last - start :]
        return data


@dataclass(slots=True)
class Repair:
    """Errors of a header and their repair.

    Attributes
    ----------
    patches : dict of int to bytes
        Replacement bytes by position.
    contradictory : bool
        Whether the header contradicts itself, so that samples may be read wrongly even with the patches.
    """

    patches: dict[int, bytes] = field(default_factory=dict)
    contradictory: bool = False


def find_repair(file: FileIO) -> Repair:
    """Find errors in the header of a WAV, RF64, AIFF or AU file; other formats are not checked."""
    size = file.seek(0, SEEK_END)
    head = _at(file, 0, 12)
    repair = Repair()
    if len(head) < 12:
        return repair
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:] == b"WAVE":
        _repair_chunks(repair, file, size, b"data", "big" if head[:4] == b"RIFX" else "little")
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        _repair_chunks(repair, file, size, b"SSND", "big")
    elif head[:4] in (b".snd", b"dns."):
        _repair_au(repair, file, size)
    file.seek(0)
    return repair


def _repair_chunks(
    repair: Repair, file: FileIO, file_size: int, wanted: bytes, order: Literal["little", "big"]
) -> None:
    """Correct the size of the samples, and the width of a sample."""
    position = 12
    outer = int.from_bytes(_at(file, 4, 4), order)
    long_size = None
    samples: Samples | None = None
    is_found = False
    empty_at: list[int] = []
    for _ in range(_MAX_CHUNKS):
        header = _at(file, position, 8)
        if len(header) < 8:
            break
        name, size = header[:4], int.from_bytes(header[4:], order)
        if name == b"fmt " and not is_found:
            found = _at(file, position + 8, min(size, FORMAT_SIZE))
            _repair_format(repair, position + 8, found, order)
            samples = wav_samples(found, order)
        if name == b"COMM" and not is_found:
            samples = _aiff_samples(_at(file, position + 8, min(size, _COMM_SIZE)))
        if name == b"ds64":
            # RF64: the size of the samples has 64 bits and stands here.
            long_size = (position + 16, int.from_bytes(_at(file, position + 16, 8), order))
            outer = int.from_bytes(_at(file, position + 8, 8), order)
        if name == wanted and is_found:
            # libsndfile refuses a second chunk of samples, FFmpeg takes the last for the whole.
            repair.patches[position] = _SKIPPED
        elif name == wanted:
            place, width = position + 4, 4
            if size == 0xFFFFFFFF and long_size:
                (place, size), width = long_size, 8
            start = position + 8
            end = _End(start + (8 if wanted == b"SSND" else 0), start + size, 8 + outer)
            if _goes_on(file, file_size, end, samples):
                repair.patches[place] = min(file_size - start, 256**width - 1).to_bytes(width, order)
                break
            if size:
                is_found = True
                repair.patches |= dict.fromkeys(empty_at, _SKIPPED)
            else:
                empty_at.append(position)
        position += 8 + size + size % 2
        if position > file_size:
            break


def _repair_format(repair: Repair, position: int, found: bytes, order: Literal["little", "big"]) -> None:
    """Check the format chunk of a WAV file, which begins at `position`."""
    if contradicts_itself(found, order):
        repair.contradictory = True
        bits = likely_bits(found, order)
        if bits is not None:
            repair.patches[position + BITS_AT] = bits.to_bytes(2, order)


def _aiff_samples(found: bytes) -> Samples | None:
    """Return the sample format of an AIFF file; ``None`` if its header does not state it."""
    if len(found) < 8:
        return None
    channels, bits = int.from_bytes(found[:2], "big"), int.from_bytes(found[6:8], "big")
    codec = found[18:22]
    if codec in (b"", b"NONE", b"twos", b"in24", b"in32"):
        return Samples((bits + 7) // 8, channels, "big")
    if codec in (b"fl32", b"FL32", b"fl64", b"FL64"):
        return Samples((bits + 7) // 8, channels, "big", is_float=True)
    return Samples((bits + 7) // 8, channels, "little") if codec == b"sowt" else Samples(0, channels, "big")


@dataclass(frozen=True, slots=True)
class _End:
    """Start of the samples, and their end by their own size and by the size of the file."""

    start: int
    samples: int
    outer: int | None = None


def _goes_on(file: FileIO, file_size: int, end: _End, samples: Samples | None) -> bool:
    """Return whether the bytes after the samples are more samples, not another chunk or other data."""
    padded = end.samples + (end.samples - end.start) % 2
    if file_size - padded <= _LEFT_OVER:
        return False
    if any(_is_chunk(_at(file, place, 4)) for place in {end.samples, padded}):
        return False
    if end.samples <= end.start:
        return True
    # Zeros at the end are padding; a recording may begin with them.
    if not any(_at(file, padded, _LEFT_OVER)):
        return False
    outer = end.samples if end.outer is None else end.outer
    if samples is None or abs(outer - end.samples) > _LEFT_OVER:
        return True
    # Two sizes agree about the end: those of some time ago, or the right ones before something else.
    frame = samples.frame or 1
    n_before = min(COMPARED, end.samples - end.start) // frame * frame
    last = end.samples - (end.samples - end.start) % frame
    before, behind = _at(file, last - n_before, n_before), _at(file, last + frame, COMPARED)
    return looks_alike(before, behind, samples)


def _is_chunk(name: bytes) -> bool:
    return name.startswith(b"ID3") or all(0x20 <= byte < 0x7F for byte in name)


def _repair_au(repair: Repair, file: FileIO, file_size: int) -> None:
    head = _at(file, 0, 24)
    order: Literal["little", "big"] = "big" if head.startswith(b".snd") else "little"
    start, size, encoding, _, channels = (int.from_bytes(head[i : i + 4], order) for i in range(4, 24, 4))
    is_float = encoding in _AU_FLOATS
    samples = Samples(_AU_WIDTHS.get(encoding, 0), channels, order, is_float=is_float)
    is_unknown = _UNKNOWN_SIZE <= size < 0xFFFFFFFF
    if is_unknown or (size != 0xFFFFFFFF and _goes_on(file, file_size, _End(start, start + size), samples)):
        repair.patches[8] = _UNKNOWN


def _at(file: FileIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)
