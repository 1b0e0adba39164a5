"""Feature stores: log-mel frames of many clips in one memory-mapped file, with an index in JSONL."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import DataError
from tempocli.features.front_end import FrontEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

DRUM_PROGRAM = 128  # General MIDI has programs 0 to 127, and a channel for drums
_FRAMES, _INDEX, _FRONT_END = "frames.f16", "clips.jsonl", "front_end.json"


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a store.

    Attributes
    ----------
    name : str
        Unique within the store.
    start, length : int
        First frame and number of frames.
    bpm : float or None
        Tempo by construction, in BPM; ``None`` for unlabelled audio.
    style : str
        Style, or kind of audio.
    group : str
        Package, groove or composed clip; a group is never split between training and validation.
    beats : sequence of (float, int)
        Times of the beats, in seconds, and their positions in the bar, 0 if not known; empty if the beats are
        not known.
    programs : sequence of int
        General MIDI programs that play, `DRUM_PROGRAM` for drums; empty if they are not known.
    """

    name: str
    start: int
    length: int
    bpm: float | None
    style: str
    group: str
    beats: Sequence[tuple[float, int]] = ()
    programs: Sequence[int] = ()

    def record(self) -> dict[str, Any]:
        """Return the fields as JSON values, without beats and programs if there are none."""
        fields = asdict(self)
        for name in ("beats", "programs"):
            if not fields[name]:
                del fields[name]
        return fields


class StoreWriter:
    """Appends clips to a store; an incompletely written clip is dropped when the store is next opened.

    Parameters
    ----------
    folder : Path
        Created if missing.
    front_end : FrontEnd
        Its settings are saved in the store.

    Raises
    ------
    DataError
        If the store was made with other settings, or is damaged.
    """

    def __init__(self, folder: Path, front_end: FrontEnd) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / _FRONT_END
        if not settings.is_file():
            settings.write_text(front_end.to_json())
        elif _read_front_end(folder) != front_end:
            raise DataError(f"{folder}: was made with other front-end settings")
        index, frames = folder / _INDEX, folder / _FRAMES
        for path in (index, frames):
            path.touch()
        clips = read_index(folder)
        self._n_frames = _length(clips)
        needed = self._n_frames * front_end.n_mels * 2
        if frames.stat().st_size < needed:
            raise DataError(f"{frames}: damaged (frames are missing); delete {folder} to make it again")
        os.truncate(index, index.read_bytes().rfind(b"\n") + 1)
        os.truncate(frames, needed)
        self.names = {clip.name for clip in clips}
        self._index = index.open("a", encoding="utf-8")
        self._frames = frames.open("ab")

    def add(
        self,
        name: str,
        log_mel: NDArray[np.float32],
        *,
        bpm: float | None,
        style: str,
        group: str,
        beats: Sequence[tuple[float, int]] = (),
        programs: Sequence[int] = (),
    ) -> None:
        """Append one clip; `log_mel` has shape=(n_frames, n_mels)."""
        clip = Clip(name, self._n_frames, len(log_mel), bpm, style, group, beats, programs)
        self._frames.write(log_mel.astype(np.float16).tobytes())
        self._frames.flush()
        self._index.write(json.dumps(clip.record()) + "\n")
        self._index.flush()
        self._n_frames += len(log_mel)
        self.names.add(name)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.close()
        self._index.close()


def read_index(folder: Path) -> list[Clip]:
    """Read the clips of a store; a truncated last line is ignored.

    Raises
    ------
    DataError
        If there is no store, or a line is not a clip.
    """
    try:
        lines = (folder / _INDEX).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{folder}: holds no feature store ({error.strerror})") from error
    try:
        return [Clip(**json.loads(line)) for line in lines[:-1] if line]
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / _INDEX}: damaged ({error})") from error


@dataclass(frozen=True, slots=True)
class Store:
    """A store opened for reading.

    Attributes
    ----------
    clips : list of Clip
    frames : ndarray of float16, shape=(n_frames, n_mels)
        Memory-mapped.
    front_end : FrontEnd
    """

    clips: list[Clip]
    frames: NDArray[np.float16]
    front_end: FrontEnd

    def frames_of(self, clip: Clip) -> NDArray[np.float16]:
        """Return the frames of a clip, shape=(clip.length, n_mels), memory-mapped."""
        return self.frames[clip.start : clip.start + clip.length]


def open_stores(data: Path, names: Iterable[str]) -> dict[str, Store]:
    """Open several stores of a data folder, to be used together.

    Parameters
    ----------
    data : Path
        Data folder.
    names : iterable of str
        Its subfolders.

    Returns
    -------
    dict of str to Store
        In the order of the names.

    Raises
    ------
    DataError
        If one is missing, empty or damaged, or has another front end than the first.
    """
    stores = {name: open_store(data / name) for name in names}
    if len({store.front_end.to_json() for store in stores.values()}) > 1:
        raise DataError(f"{data}: the stores were made with different front-end settings")
    return stores


def open_store(folder: Path) -> Store:
    """Open a store for reading.

    Raises
    ------
    DataError
        If the folder has no store, or the store is empty or damaged.
    """
    clips = read_index(folder)
    if not clips:
        raise DataError(f"{folder}: holds an empty feature store")
    front_end = _read_front_end(folder)
    try:
        # Frames of an incompletely written clip after the last one are ignored.
        frames = np.memmap(folder / _FRAMES, np.float16, "r", shape=(_length(clips), front_end.n_mels))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / _FRAMES}: damaged ({error})") from error
    return Store(clips, frames, front_end)


def _length(clips: list[Clip]) -> int:
    return max((clip.start + clip.length for clip in clips), default=0)


def _read_front_end(folder: Path) -> FrontEnd:
    path = folder / _FRONT_END
    try:
        return FrontEnd.from_json(path.read_text())
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete {folder} to make it again") from error
