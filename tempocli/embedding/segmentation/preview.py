"""What a review page shows and plays of a track: samples, their peaks, beats and sections."""

from __future__ import annotations

import base64
import json
import os
import wave
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.audio.parts import source_blocks
from tempocli.errors import AudioError
from tempocli.schema import Outcome, Part, input_key
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tempocli.decoding.segments.song import SongForm
    from tempocli.embedding.segmentation.segmenter import PortableSegmenter, Segmenter
    from tempocli.schema import BeatTrack

PREVIEW_RATE = 44100  # Hz, at which all browsers play
PEAK_RATE = 100  # peaks a second
_HOP = PREVIEW_RATE // PEAK_RATE
_MOST_SAMPLES = 2_147_000_000  # the header counts bytes in 32 bits


def preview_paths(folder: str, path: str, part: Part | None) -> tuple[str, str]:
    """Return the paths of a track's WAV file and of its JSON file in a folder of previews."""
    key = blake2b(os.fsencode(input_key(path, part)), digest_size=16).hexdigest()
    return os.path.join(folder, f"{key}.wav"), os.path.join(folder, f"{key}.json")


class PreviewMaker:
    """Write previews of tracks into a folder; a processor for `tempocli.batch`.

    A preview is a WAV file, mono, of 16 bits at `PREVIEW_RATE`, and a JSON object: ``duration`` in seconds,
    ``peak_rate`` in 1/s, ``peaks`` (a byte of 0 to 255 each, in base64), ``bpm``, ``beats`` in seconds and
    ``positions`` in the bar, and ``form``: start, end and label of each section. All times count from the
    start of the WAV file.

    Parameters
    ----------
    segmenter : Segmenter
        Finds beats and sections in one pass.
    folder : str
        An existing folder.
    """

    def __init__(self, segmenter: Segmenter, folder: str) -> None:
        self._segmenter = segmenter
        self._folder = folder
        self.device = segmenter.device

    def process(self, source: Any, *, start: float = 0.0, duration: float | None = None) -> Outcome:
        """Write the preview of a file or a part of it.

        Raises
        ------
        AudioError
            If the file cannot be read.
        OSError
            If the preview cannot be written.
        """
        part = Part.of(start, duration)
        sound, document = preview_paths(self._folder, source, part)
        blocks = source_blocks(source, None, part, wanted_rate=PREVIEW_RATE)
        with atomic_file(sound) as file, wave.open(file, "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(PREVIEW_RATE)
            peaks, n_samples = _write(blocks, target, str(source))
        wanted = self._segmenter.spec.front_end.sample_rate
        track, form = self._segmenter.hear_blocks(source_blocks(source, None, part, wanted_rate=wanted))
        record = {
            "duration": n_samples / PREVIEW_RATE,
            "peak_rate": PEAK_RATE,
            "peaks": base64.b64encode(peaks.tobytes()).decode(),
            **_beats(track),
            "form": _form(form),
        }
        with atomic_file(document) as file:
            file.write(json.dumps(record).encode())
        return Outcome()

    def encode(self, windows: NDArray[np.float32]) -> Any:
        """Run the tempo models for other processes."""
        return self._segmenter.encode(windows)

    def portable(self) -> PortablePreviewMaker:
        """Return a picklable form for another process."""
        return PortablePreviewMaker(self._segmenter.portable(), self._folder)


@dataclass(frozen=True, slots=True, eq=False)
class PortablePreviewMaker:
    """A picklable recipe for a `PreviewMaker`."""

    segmenter: PortableSegmenter
    folder: str

    def connect(self, encode: Any) -> PreviewMaker:
        """Create the maker; raise ModelError if a model cannot be opened."""
        return PreviewMaker(self.segmenter.connect(encode), self.folder)


def _write(
    blocks: Iterable[NDArray[np.float32]], target: wave.Wave_write, name: str
) -> tuple[NDArray[np.uint8], int]:
    """Write samples; return their peaks and their number."""
    found: list[NDArray[np.float32]] = []
    rest = np.zeros(0, np.float32)
    n_samples = 0
    for block in blocks:
        clipped = np.clip(block, -1.0, 1.0)
        n_samples += len(clipped)
        if n_samples > _MOST_SAMPLES // 2:
            raise AudioError(name, "is longer than a WAV file can be")
        target.writeframesraw(np.round(clipped * 32767.0).astype("<i2").tobytes())
        loud = np.concatenate([rest, np.abs(clipped)])
        whole = len(loud) // _HOP * _HOP
        found.append(loud[:whole].reshape(-1, _HOP).max(axis=1))
        rest = loud[whole:]
    if len(rest):
        found.append(rest.max(keepdims=True))
    peaks = np.concatenate([np.zeros(0, np.float32), *found])
    return np.round(255.0 * peaks).astype(np.uint8), n_samples


def _form(form: SongForm) -> list[tuple[float, float, str]]:
    return [(round(each.start, 3), round(each.end, 3), each.label) for each in form.sections]


def _beats(track: BeatTrack) -> dict[str, Any]:
    return {
        "bpm": track.estimate.bpm,
        "beats": [round(beat.time, 4) for beat in track.beats],
        "positions": [beat.position for beat in track.beats],
    }
