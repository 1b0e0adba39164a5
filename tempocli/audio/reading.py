"""Open an audio input and read it as mono blocks, or as a whole, at any sample rate."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tempocli.audio.checks import check_sample_rate, check_samples
from tempocli.audio.decoders import reasons
from tempocli.audio.decoders.decoding import DecodeError
from tempocli.audio.decoders.fallback import open_decoder
from tempocli.audio.inputs import input_name, open_input
from tempocli.audio.resampling import blocks_at_rate
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from tempocli.audio.decoders.decoding import Decoder

logger = logging.getLogger(__name__)


class AudioFile:
    """An audio input open for reading, returned by `open_audio`; a context manager.

    Attributes
    ----------
    name : str
        Name of the input as given by the user, control characters escaped; ``-`` for a stream without a name.
    sample_rate : int
        Sample rate of the input, in Hz.
    channels : int
        Number of channels of the input.
    """

    def __init__(self, name: str, decoder: Decoder, resources: ExitStack) -> None:
        self.name = name
        self.sample_rate = decoder.sample_rate
        self.channels = decoder.channels
        self._decoded = decoder.blocks
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call has no effect."""
        self._resources.close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode the input from its start, in blocks of bounded size; can be called once.

        If the input is truncated or damaged, the decodable samples are returned and the damage is logged.

        Yields
        ------
        ndarray of float32, shape=(n_samples,)
            Consecutive mono samples at `sample_rate`, full scale 1; never empty, always finite. They are the
            mean of the channels, or the strongest channel if the channels cancel each other out.

        Raises
        ------
        AudioError
            If no sample can be decoded, or a sample is NaN, infinite or far above full scale.
        """
        n_samples = 0
        damage = None
        try:
            for block in self._decoded:
                if len(block):
                    check_samples(block, self.name)
                    yield block
                    n_samples += len(block)
        except DecodeError as error:
            damage = error
        if not n_samples:
            raise AudioError(
                self.name,
                f"no audio can be decoded: {damage.reason}" if damage else reasons.HOLDS_NO_SAMPLES,
            )
        if damage:
            logger.warning("%s: %s", self.name, damage.note(n_samples / self.sample_rate))


def open_audio(source: str | Path | BinaryIO) -> AudioFile:
    """Open an audio input.

    Parameters
    ----------
    source : str, Path or binary file object
        Path of a regular file, or a stream of bytes. A stream that is a regular file is read from its start;
        any other stream is first copied to a temporary file. The stream stays open; its position is lost.

    Returns
    -------
    AudioFile
        Use it as a context manager, or close it.

    Raises
    ------
    AudioError
        If the input is missing, unreadable, empty, not a regular file, or in an unsupported format.

    Examples
    --------
    >>> with open_audio("song.wav") as audio:  # doctest: +SKIP
    ...     n_samples = sum(len(block) for block in audio.blocks())
    """
    with ExitStack() as resources:
        name = input_name(source)
        file = open_input(source, name, resources)
        decoder = open_decoder(file, name, resources)
        if decoder.channels < 1:
            raise AudioError(name, "has no channels")
        check_sample_rate(decoder.sample_rate, name)
        return AudioFile(name, decoder, resources.pop_all())


def stream_audio(source: str | Path | BinaryIO, *, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Decode and resample an audio input in blocks of bounded size.

    Parameters
    ----------
    source : str, Path or binary file object
        See `open_audio`.
    sample_rate : int
        Sample rate of the output, in Hz.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `sample_rate`, full scale 1; never empty, always finite.

    Raises
    ------
    AudioError
        As `open_audio` and `AudioFile.blocks`.

    Examples
    --------
    >>> n_samples = sum(len(block) for block in stream_audio("song.wav", sample_rate=22050))  # doctest: +SKIP
    """
    with open_audio(source) as audio:
        yield from blocks_at_rate(audio.blocks(), audio.sample_rate, sample_rate)


def load_audio(source: str | Path | BinaryIO, *, sample_rate: int) -> NDArray[np.float32]:
    """Decode and resample a whole audio input into memory.

    Parameters
    ----------
    source : str, Path or binary file object
        See `open_audio`.
    sample_rate : int
        Sample rate of the output, in Hz.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)
        Mono samples at `sample_rate`, full scale 1, always finite.

    Raises
    ------
    AudioError
        As `open_audio` and `AudioFile.blocks`.
    """
    return np.concatenate([np.zeros(0, np.float32), *stream_audio(source, sample_rate=sample_rate)])
