"""The estimates of a system, kept on disk, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from harness.commands import BenchmarkError, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.worker import Worker

MINUTE_S = 59.5


@dataclass(frozen=True)
class Track:
    """A recording: the name that the reference table gives it, a digest of its content, and it as WAV."""

    path: str
    digest: str
    wav: Path

    def lasts_a_minute(self) -> bool:
        """Tell whether it can be timed with the others."""
        return bool(soundfile.info(self.wav).duration >= MINUTE_S)


@dataclass(frozen=True)
class Estimate:
    """What a system found in a recording: BPM, and the error where it failed."""

    digest: str
    bpm: float | None
    error: str | None


def decode(paths: Sequence[str], folder: Path, audio: Path) -> list[Track]:
    """Decode files, named relative to a folder, to 16-bit WAV: not every tool reads every format."""
    audio.mkdir(parents=True, exist_ok=True)
    tracks = []
    for path in paths:
        source = folder / path
        try:
            digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
            wav = audio / f"{digest}.wav"
            if not wav.exists():
                samples, sample_rate = soundfile.read(source, dtype="float32")
                part = wav.with_suffix(".part")
                soundfile.write(
                    part, np.clip(samples, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV"
                )
                part.rename(wav)
        except (OSError, soundfile.SoundFileError) as error:
            raise BenchmarkError(f"{source}: {error}") from error
        tracks.append(Track(path, digest, wav))
    return tracks


def read_kept(store: Path) -> dict[str, Estimate]:
    """Read the estimates of an earlier run, by digest; the last line may be half a line."""
    if not store.exists():
        return {}
    kept = {}
    for line in store.read_text(encoding="utf-8").splitlines():
        try:
            estimate = Estimate(**json.loads(line))
        except ValueError:
            continue
        kept[estimate.digest] = estimate
    return kept


def estimate_all(worker: Worker, tracks: Sequence[Track], store: Path) -> list[Estimate]:
    """Return the estimate of every track, from the store where it has one."""
    kept = read_kept(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    todo = [track for track in tracks if track.digest not in kept]
    say(f"{worker.name}: {len(todo)} of {len(tracks)} files to do")
    with store.open("a", encoding="utf-8") as file:
        if file.tell():
            file.write("\n")  # ends half a line, if there is one
        for track in todo:
            answer = worker.ask(str(track.wav))
            kept[track.digest] = Estimate(track.digest, answer.bpm, answer.error)
            print(json.dumps(asdict(kept[track.digest])), file=file, flush=True)
    return [kept[track.digest] for track in tracks]
