"""Standard sets of music with known tempo, as the library mirdata describes them."""

from __future__ import annotations

import csv
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tempocli.evaluation.annotations import Reference

    # BPM, second BPM if there is one, and the weight of the first.
    Tempo = tuple[float, float | None, float]

# Where the user has another format than the index names, such as WAV for GTZAN's AU.
_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".au", ".flac", ".m4a", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".wv"}
)
_FEWEST_BEATS = 4
# What mirdata's loaders raise on files that are not as they expect; empty ones end an iterator.
_UNREADABLE = (AttributeError, LookupError, OSError, StopIteration, TypeError, ValueError, csv.Error)


@dataclass(frozen=True, slots=True)
class Adapter:
    """How the tempo of a set's tracks is found.

    Attributes
    ----------
    annotation : str
        What the tempo is taken from, for the report.
    tempo : callable
        From a track of mirdata to its `Tempo`; ``None`` if it is annotated to have none.
    columns : tuple of str
        Attributes of a track that group them.
    audio : str
        Attribute with the path of the audio file.
    """

    annotation: str
    tempo: Callable[[Any], Tempo | None]
    columns: tuple[str, ...] = ()
    audio: str = "audio_path"


@dataclass(frozen=True, slots=True)
class StandardSet:
    """The tracks of a standard set that can be scored.

    Attributes
    ----------
    name, version : str
        Name of the set, and version of its index.
    annotation : str
        What the tempi are taken from.
    data_home : str
        Folder of the set.
    n_tracks : int
        Number of tracks in the index.
    n_without_annotation : int
        Number of tracks whose annotation file is not there.
    n_without_tempo : int
        Number of tracks that are annotated to have no tempo, or have too few beats for one.
    n_without_audio : int
        Number of the other tracks that are left out because their audio is not there.
    references : list of Reference
        The tracks that are left; paths are relative to `data_home`.
    files : list of Path
        The audio file of each.
    """

    name: str
    version: str
    annotation: str
    data_home: str
    n_tracks: int
    n_without_annotation: int
    n_without_tempo: int
    n_without_audio: int
    references: list[Reference]
    files: list[Path]

    def summary(self) -> dict[str, Any]:
        """Return everything but the tracks, as JSON values."""
        names = ("name", "version", "annotation", "data_home", "n_tracks")
        counts = ("n_without_annotation", "n_without_tempo", "n_without_audio")
        return {name: getattr(self, name) for name in (*names, *counts)}

    @property
    def left_out(self) -> str:
        """What was left out, in words; empty if nothing was."""
        counts = {
            "without audio": self.n_without_audio,
            "without annotation file": self.n_without_annotation,
            "without a tempo": self.n_without_tempo,
        }
        if not any(counts.values()):
            return ""
        parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f"{self.name}: {sum(counts.values())} of {self.n_tracks} tracks left out: {parts}"


def _own(track: Any) -> Tempo | None:
    return _one(float(track.tempo))


def _one(bpm: float) -> Tempo | None:
    return (bpm, None, 0.5) if bpm > 0.0 else None


def _giantsteps(track: Any) -> Tempo | None:
    """Return the two most salient tempi; three tracks of version 2 have none, which mirdata cannot load."""
    if track.annotation_v2_path is None:
        raise FileNotFoundError
    parts = json.loads(Path(track.annotation_v2_path).read_text(encoding="utf-8"))["annotations"]
    found = [(float(each["confidence"]), float(each["value"])) for part in parts[:1] for each in part["data"]]
    weights = sorted((each for each in found if each[1] > 0.0), reverse=True)[:2]
    if not weights:
        return None
    total = sum(weight for weight, _ in weights)
    second = weights[1][1] if len(weights) > 1 else None
    return weights[0][1], second, weights[0][0] / total if second is not None and total > 0.0 else 0.5


def _gtzan(track: Any) -> Tempo | None:
    # The loader of mirdata 1.0.0 raises TypeError with numpy 2.
    if track.tempo_path is None:
        raise FileNotFoundError
    return _one(float(Path(track.tempo_path).read_text(encoding="utf-8").split()[0]))


def _of_beats(track: Any) -> Tempo | None:
    """Return the tempo of the median interval of the beats."""
    import numpy as np

    beats = track.beats
    if beats is None or len(beats.times) < _FEWEST_BEATS:
        return None
    return _one(60.0 / float(np.median(np.diff(beats.times))))


def _of_text(track: Any) -> Tempo | None:
    """Return a tempo written as text, which some tracks have as a word or a range."""
    try:
        return _one(float(track.tempo))
    except ValueError:
        return None


_TEMPO_FILES = "tempo files"
_MEDIAN = "median interval of the beats"

DATASETS = {
    "ballroom": Adapter(_TEMPO_FILES, _own, ("genre",)),
    "beatles": Adapter(_MEDIAN, _of_beats),
    "brid": Adapter(_TEMPO_FILES, _own),
    "candombe": Adapter(_MEDIAN, _of_beats),
    "cuidado": Adapter(_TEMPO_FILES, _own),
    "giantsteps_tempo": Adapter("annotations v2 (Schreiber and Müller 2018)", _giantsteps),
    "groove_midi": Adapter("info.csv", _own, ("drummer", "style", "beat_type", "time_signature", "split")),
    "gtzan_genre": Adapter(_TEMPO_FILES, _gtzan, ("genre",)),
    "guitarset": Adapter("names of the tracks", _own, ("style", "mode", "player_id"), "audio_mic_path"),
    "hainsworth": Adapter(_TEMPO_FILES, _own),
    "rwc_popular": Adapter("rwc-p.csv", _of_text, ("drum_information",)),
}


def read_dataset(name: str, data_home: str | Path | None = None, *, needs_audio: bool = True) -> StandardSet:
    """Read the tempi of a standard set through mirdata. Nothing is downloaded.

    Parameters
    ----------
    name : str
        One of `DATASETS`; ``NAME:VERSION`` chooses a version of its index, such as ``gtzan_genre:mini``.
    data_home : path, optional
        Folder of the set, laid out as mirdata documents it; ``~/mir_datasets/NAME`` by default. The index
        may lie in it, too.
    needs_audio : bool
        Whether tracks without an audio file are left out.

    Returns
    -------
    StandardSet
        With at least one track.

    Raises
    ------
    DataError
        If there is no such set or version, its index is missing, an annotation cannot be read, or no track
        is left.
    MissingExtraError
        If the extra ``eval`` is not installed.
    """
    name, _, version = name.partition(":")
    if name not in DATASETS:
        raise DataError(f"{name}: no such standard set; there are {', '.join(DATASETS)}")
    dataset = _open(name, None if data_home is None else str(data_home), version or "default")
    home = str(dataset.data_home)
    adapter = DATASETS[name]
    references, files = [], []
    counts = {"annotation": 0, "tempo": 0, "audio": 0}
    folders = _Folders()
    first_audio = ""
    for track_id in _track_ids(dataset):
        try:
            tempo, audio, columns = _read_track(dataset, adapter, track_id)
        except FileNotFoundError:
            counts["annotation"] += 1
            continue
        if tempo is None:
            counts["tempo"] += 1
            continue
        first_audio = first_audio or audio or ""
        found = folders.find(audio) if audio else None
        if audio is None or (found is None and needs_audio):
            counts["audio"] += 1
            continue
        references.append(_reference(Path(audio), home, tempo, columns))
        files.append(found or Path(audio))
    made = StandardSet(
        name=name,
        version=str(dataset.version),
        annotation=adapter.annotation,
        data_home=home,
        n_tracks=len(_track_ids(dataset)),
        n_without_annotation=counts["annotation"],
        n_without_tempo=counts["tempo"],
        n_without_audio=counts["audio"],
        references=references,
        files=files,
    )
    if not references:
        where = f"; its audio would be such as {first_audio}" if first_audio else ""
        raise DataError((made.left_out or f"{name}: its index has no tracks") + f" of {home}{where}")
    return made


def _read_track(
    dataset: Any, adapter: Adapter, track_id: str
) -> tuple[Tempo | None, str | None, dict[str, str]]:
    """Return tempo, audio file and columns of a track; raise FileNotFoundError if it has no annotation."""
    try:
        track = dataset.track(track_id)
        columns = {column: str(getattr(track, column)) for column in adapter.columns}
        return adapter.tempo(track), getattr(track, adapter.audio), columns
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        why = str(error) or type(error).__name__
        raise DataError(f"{dataset.name}: the annotation of {track_id} cannot be read: {why}") from error


def _track_ids(dataset: Any) -> list[str]:
    try:
        return list(dataset.track_ids)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{dataset.index_path}: is not an index of mirdata") from error


def _reference(audio: Path, home: str, tempo: Tempo, columns: dict[str, str]) -> Reference:
    from tempocli.evaluation.annotations import Reference

    bpm, bpm2, salience = tempo
    path = Path(os.path.relpath(audio, home)).as_posix()
    return Reference(path, bpm, bpm2, salience, steady=False, columns={"path": path, **columns})


def _open(name: str, data_home: str | None, version: str) -> Any:
    """Return mirdata's data set, with an index that is there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that mirdata imports
            import mirdata

            dataset = mirdata.initialize(name, data_home=data_home, version=version)
    except ImportError as error:
        raise MissingExtraError("a standard set", "eval") from error
    except ValueError as error:  # its message shows objects
        raise DataError(f"{name}: mirdata has no version {version} of it") from error
    if not Path(dataset.data_home).is_dir():
        raise DataError(f"{dataset.data_home}: no such folder; --data-home names the folder of {name}")
    info = dataset._index_data  # it has no public name for where an index is downloaded from
    own = Path(dataset.data_home) / info.filename
    if own.is_file():
        dataset.index_path = str(own)
    elif not Path(dataset.index_path).is_file():
        raise DataError(f"{name}: the index of mirdata is missing: {_how_to_get(name, dataset, own)}")
    return dataset


def _how_to_get(name: str, dataset: Any, own: Path) -> str:
    remote = dataset._index_data.remote
    if remote is None:
        return f"copy tests/indexes/{own.name} of mirdata's source code to {own}"
    code = f"import mirdata; mirdata.initialize('{name}', version='{dataset.version}').download(['index'])"
    return f'download it with python -c "{code}", or save {remote.url} as {own}'


class _Folders:
    """Finds audio files, under their own names or with another suffix; each folder is listed once."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, Path]] = {}

    def find(self, path: str) -> Path | None:
        wanted = Path(path)
        if wanted.is_file():
            return wanted
        if wanted.parent not in self._listed:
            self._listed[wanted.parent] = {each.stem: each for each in _audio_files(wanted.parent)}
        return self._listed[wanted.parent].get(wanted.stem)


def _audio_files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file())
