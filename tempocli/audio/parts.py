"""Parts of audio files: cut blocks to the sample, and move times back to the time line of the file."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.audio import open_audio, resample_blocks, stream_audio
from tempocli.audio.arrays import array_blocks, is_array
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.schema import Estimate, Part

    Source = str | Path | BinaryIO | NDArray[Any]


def source_blocks(
    source: Source,
    sample_rate: int | None,
    part: Part | None,
    *,
    wanted_rate: int,
) -> Iterable[NDArray[np.float32]]:
    """Read a file, a stream or an array, or a part of it, as mono blocks at the wanted sample rate.

    Parameters
    ----------
    source : str, Path, binary file object, or ndarray
        See `tempocli.audio.open_audio` and `tempocli.audio.arrays.array_blocks`.
    sample_rate : int or None
        Sample rate of an array, in Hz; ``None`` for files and streams, which have their own.
    part : Part or None
        The part to read; ``None`` for everything.
    wanted_rate : int
        In Hz.

    Returns
    -------
    iterable of ndarray of float32, shape=(n_samples,)

    Raises
    ------
    AudioError
        If the source cannot be used or is of no known type, an array comes without a sample rate, or the
        audio ends before the part begins. For files, some of these are raised while the blocks are read.
    ValueError
        If a sample rate is given for a file or a stream.
    """
    given: Any = source  # type checkers do not know what `is_array` says
    if is_array(given):
        if sample_rate is None:
            raise AudioError("array", "its sample rate is not given: pass sample_rate, in Hz")
        if part is None:
            return array_blocks(given, sample_rate, wanted_rate=wanted_rate)
        # Checked and mixed at its own rate, then cut, then resampled, as the part of a file is.
        own = array_blocks(given, sample_rate, wanted_rate=sample_rate)
        blocks = cut(own, part, sample_rate=sample_rate, name="array")
        return blocks if sample_rate == wanted_rate else resample_blocks(blocks, sample_rate, wanted_rate)
    if not (isinstance(source, str | os.PathLike) or hasattr(source, "read")):
        kind = type(source).__name__
        raise AudioError("-", f"a {kind} is neither a path, a binary stream nor an array of samples")
    if sample_rate is not None:
        raise ValueError("sample_rate is for arrays only: files and streams have their own")
    if part is None:
        return stream_audio(given, sample_rate=wanted_rate)
    return stream_part(given, part, sample_rate=wanted_rate)


def stream_part(
    source: str | Path | BinaryIO, part: Part, *, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Decode a part of an audio input and resample it, in blocks of bounded size.

    Parameters
    ----------
    source : str, Path or binary file object
        See `tempocli.audio.open_audio`.
    part : Part
        The part to read. Audio before it is decoded and dropped; audio after it is not decoded.
    sample_rate : int
        Sample rate of the output, in Hz.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `sample_rate`, full scale 1; never empty, always finite. They are the same
        as those of a file that contains the part alone.

    Raises
    ------
    AudioError
        As `tempocli.audio.open_audio` and `tempocli.audio.AudioFile.blocks`, or if the audio ends before the
        part begins.
    """
    with open_audio(source) as audio:
        blocks = cut(audio.blocks(), part, sample_rate=audio.sample_rate, name=audio.name)
        if audio.sample_rate == sample_rate:
            yield from blocks
        else:
            yield from resample_blocks(blocks, audio.sample_rate, sample_rate)


def cut(
    blocks: Iterable[NDArray[np.float32]], part: Part, *, sample_rate: int, name: str
) -> Iterator[NDArray[np.float32]]:
    """Cut a part out of a signal given in blocks.

    The part begins and ends at the samples nearest to its times. Adjacent parts therefore neither share
    nor miss samples.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape=(n_samples,)
        Consecutive mono samples from the start of the input; no block is read after the end of the part.
    part : Part
        The part to cut out.
    sample_rate : int
        In Hz.
    name : str
        Name of the input for error messages.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples; never empty.

    Raises
    ------
    AudioError
        If the signal ends before the part begins, or the part is shorter than one sample.
    """
    first = _nearest_sample(part.start, sample_rate)
    end = None if part.end is None else _nearest_sample(part.end, sample_rate)
    if end is not None and end <= first:
        raise AudioError(name, f"a part of {part.duration:g} s is shorter than a sample")
    n_seen = 0
    for block in blocks:
        wanted = block[max(0, first - n_seen) : None if end is None else end - n_seen]
        n_seen += len(block)
        if len(wanted):
            yield wanted
        if end is not None and n_seen >= end:
            return
    if n_seen <= first:
        length = n_seen / sample_rate
        raise AudioError(name, f"the part begins at {part.start:g} s, but the audio ends at {length:.2f} s")


def moved(estimate: Estimate, seconds: float) -> Estimate:
    """Shift the times of an estimate from the start of its part to the start of its file.

    Parameters
    ----------
    estimate : Estimate
        Its times count from the start of the part.
    seconds : float
        Start of the part in the file.
    """
    curve = tuple(replace(point, time=point.time + seconds) for point in estimate.curve)
    sections = tuple(
        replace(each, start=each.start + seconds, end=each.end + seconds) for each in estimate.tempo_sections
    )
    return replace(estimate, curve=curve, tempo_sections=sections)


def _nearest_sample(seconds: float, sample_rate: int) -> int:
    """Return the sample nearest to a time, which is rounded to a microsecond.

    Integer arithmetic is used. The end of one part and the start of the next may differ in their last bit,
    but must give the same sample, even half-way between two samples.
    """
    return (round(seconds * 1e6) * sample_rate + 500_000) // 1_000_000
