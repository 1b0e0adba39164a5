"""Scores from MIDI files of known tempo and from the grooves of MMA."""

from __future__ import annotations

import csv
import math
import re
import shutil
import struct
import subprocess
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError, MissingExtraError
from tempocli.schema import Beat
from tempocli.training.synth.score import DRUMS, Note, Score
from tempocli.training.synth.styles import draw_tempo

if TYPE_CHECKING:
    import numpy as np

_MMA_LIBRARY = Path("/usr/share/mma/lib")
_STEADY = 0.95  # minimum share of a file's length at its main tempo
_CHORDS = ("C", "Dm", "Em", "F", "G", "G7", "Am", "Bb", "Fm", "D7", "E7", "Cm", "Eb", "Ab")


@dataclass(frozen=True, slots=True)
class Song:
    """A MIDI song.

    Attributes
    ----------
    name : str
        Name of the source.
    data : bytes
        The content of a MIDI file.
    """

    name: str
    data: bytes = field(repr=False)


@cache
def midi_songs(folder: Path) -> list[Song]:
    """List the songs of a folder and its subfolders: MIDI files, and those inside the WAD files of Doom.

    Raises
    ------
    DataError
        If there are no songs.
    """
    songs = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix.lower() in {".mid", ".midi"}:
            songs.append(Song(name, path.read_bytes()))
        elif path.suffix.lower() == ".wad":
            songs += _wad_songs(name, path.read_bytes())
    # The two WAD files of Freedoom share songs.
    distinct = {song.data: song for song in reversed(songs)}
    if not distinct:
        raise DataError(f"{folder}: holds no MIDI songs")
    return sorted(distinct.values(), key=lambda song: song.name)


def _wad_songs(name: str, data: bytes) -> list[Song]:
    if len(data) < 12 or data[:4] not in {b"IWAD", b"PWAD"}:
        raise DataError(f"{name}: not a WAD file")
    n_lumps, directory = struct.unpack_from("<ii", data, 4)
    try:
        lumps = [struct.unpack_from("<ii8s", data, directory + 16 * index) for index in range(n_lumps)]
    except struct.error as error:
        raise DataError(f"{name}: a WAD file that is cut off") from error
    return [
        Song(f"{name}/{label.rstrip(bytes(1)).decode('ascii', 'replace')}", data[start : start + size])
        for start, size, label in lumps
        if data[start : start + 4] == b"MThd"
    ]


def read_midi(
    song: Song, *, bpm: float | None = None, style: str, duration: float, start: float = 0.0
) -> Score:
    """Read a MIDI file of constant tempo, or a part of it.

    Parameters
    ----------
    song : Song
    bpm : float, optional
        Tempo, in BPM; by default the tempo given in the file.
    style : str
    duration : float
        Maximum length of the part, in seconds.
    start : float
        Start of the part, in seconds.

    Returns
    -------
    Score

    Raises
    ------
    DataError
        If the file is not MIDI, or `bpm` is not given and the tempo of the file changes.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    midi, messages = _open_midi(song)
    score = Score(bpm=bpm or _own_tempo(song, messages), style=style, duration=0.0)
    score.duration = min(duration, midi.length - start)
    score.beats = _beats(messages, start=start, stop=start + score.duration)
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    now = -start
    for message in messages:
        now += message.time
        if message.type == "program_change":
            score.programs[message.channel] = message.program
        elif message.type in {"note_on", "note_off"}:
            key = (message.channel, message.note)
            if key in sounding:
                began, velocity = sounding.pop(key)
                score.notes.append(Note(began, max(0.03, now - began), *key, velocity))
            if message.type == "note_on" and message.velocity and 0.0 <= now < score.duration:
                sounding[key] = (now, message.velocity)
    for (channel, pitch), (began, velocity) in sounding.items():
        score.notes.append(Note(began, 0.5, channel, pitch, velocity))
    score.programs.pop(DRUMS, None)
    return score


def _beats(messages: list[Any], *, start: float, stop: float) -> list[Beat]:
    """List the beats of a part by the tempo and the time signatures of the file; quarter notes are beats.

    Bars are counted from the first message or the last time signature. They are not known in bars that are
    no whole number of quarter notes.
    """
    changes = [(0.0, "set_tempo", 0.5), (0.0, "time_signature", 4.0)]
    now = 0.0
    for message in messages:
        now += message.time
        if message.type == "set_tempo":
            changes.append((now, message.type, message.tempo / 1e6))
        elif message.type == "time_signature":
            changes.append((now, message.type, 4.0 * message.numerator / message.denominator))
    beats: list[Beat] = []
    time, index, beat, bar = 0.0, 0, 0.5, 4.0
    changes.append((math.inf, "end", 0.0))
    for when, kind, value in changes:
        while time < min(when - 0.02, stop - 1e-6):
            position = index % round(bar) + 1 if bar >= 1.0 and bar == round(bar) else 0
            if time >= start:
                beats.append(Beat(time - start, position))
            time, index = time + beat, index + 1
        if kind == "set_tempo":
            # From the change on, the rest of the beat passes at the new tempo.
            left = max(0.0, time - when)
            time, beat = (time if left < 0.02 else when + left / beat * value), value
        elif kind == "time_signature" and time - when < 0.02:
            index, bar = 0, value
    return beats


def midi_length(song: Song) -> float:
    """Return the length of a song in seconds."""
    return float(_open_midi(song)[0].length)


def _open_midi(song: Song) -> tuple[Any, list[Any]]:
    try:
        import mido
    except ImportError as error:
        raise MissingExtraError("reading MIDI files", "train") from error
    try:
        midi = mido.MidiFile(file=BytesIO(song.data))
        return midi, list(midi)
    # TypeError is raised for files whose tracks are separate pieces.
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, mido.KeySignatureError) as error:
        raise DataError(f"{song.name}: not a MIDI file that can be read ({error})") from error


def _own_tempo(song: Song, messages: list[Any]) -> float:
    """Return the tempo of nearly all of a file."""
    seconds: dict[float, float] = {}
    tempo = 120.0
    for message in messages:
        seconds[tempo] = seconds.get(tempo, 0.0) + message.time
        if message.type == "set_tempo":
            tempo = round(60e6 / message.tempo, 3)
    main = max(seconds, key=seconds.__getitem__)
    if seconds[main] < _STEADY * sum(seconds.values()):
        raise DataError(f"{song.name}: changes its tempo")
    return main


def groove_performances(folder: Path, *, min_duration: float) -> list[tuple[Path, float, str]]:
    """List the drum performances of the Groove MIDI Dataset of a minimum length.

    Parameters
    ----------
    folder : Path
        Folder with ``info.csv``.
    min_duration : float
        Minimum length, in seconds.

    Returns
    -------
    list of (path, bpm, style)

    Raises
    ------
    DataError
        If the folder has no ``info.csv``, or no performance is long enough.
    """
    index = folder / "info.csv"
    if not index.is_file():
        raise DataError(f"{folder}: holds no info.csv of the Groove MIDI Dataset")
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    performances = [
        (folder / row["midi_filename"], float(row["bpm"]), row["style"].split("/")[0])
        for row in rows
        if row["beat_type"] == "beat" and float(row["duration"]) >= min_duration
    ]
    if not performances:
        raise DataError(f"{index}: names no performance of {min_duration:g} s or more")
    return performances


@cache
def mma_grooves(library: Path = _MMA_LIBRARY) -> list[tuple[str, tuple[float, float]]]:
    """List the main grooves of an MMA installation with their tempo ranges.

    Returns
    -------
    list of (groove, (lowest BPM, highest BPM))

    Raises
    ------
    DataError
        If MMA or its library is not installed.
    """
    if not library.is_dir() or shutil.which("mma") is None:
        raise DataError(f"{library}: no library of MMA here; install the program mma")
    table = tomllib.loads(files("tempocli.training.synth").joinpath("mma.toml").read_text(encoding="utf-8"))
    grooves: list[tuple[str, tuple[float, float]]] = []
    for path in sorted(library.glob("*/*.mma")):
        low, high = next(
            ((low, high) for pattern, low, high in table["ranges"] if re.search(pattern, path.stem, re.I)),
            table["otherwise"],
        )
        if not high:
            continue
        text = path.read_text(encoding="latin-1")
        names = re.findall(r"^\s*DefGroove\s+(\S+)", text, re.MULTILINE | re.IGNORECASE)
        main = [name for name in names if not re.search("intro|end|fill|break", name, re.I)]
        prefix = "" if path.parent.name == "stdlib" else f"{path.parent.name}:"
        grooves += [(prefix + name, (low, high)) for name in main]
    return grooves


def play_groove(
    groove: str, tempo: tuple[float, float], rng: np.random.Generator, *, duration: float, folder: Path
) -> Score:
    """Render a groove with MMA to a score, over random chords at a tempo drawn from a range.

    Parameters
    ----------
    groove : str
        Name from `mma_grooves`.
    tempo : (float, float)
        Tempo range, in BPM.
    rng : numpy.random.Generator
    duration : float
        Length in seconds.
    folder : Path
        Folder for the two temporary files.

    Returns
    -------
    Score

    Raises
    ------
    DataError
        If MMA does not accept the groove.
    """
    bpm = round(draw_tempo(tempo, rng), 2)
    n_bars = int(duration * bpm / 60.0 / 2.0) + 2
    progression = [str(rng.choice(_CHORDS)) for _ in range(int(rng.choice([1, 2, 4, 4, 8])))]
    bars = [f"{bar + 1} {progression[bar % len(progression)]}" for bar in range(n_bars)]
    source, target = folder / "groove.mma", folder / "groove.mid"
    source.write_text("\n".join([f"Tempo {bpm}", f"Groove {groove}", *bars]) + "\n", encoding="ascii")
    target.unlink(missing_ok=True)
    subprocess.run(
        ["mma", "-f", str(target), str(source)], capture_output=True, check=False, timeout=60, cwd=folder
    )
    if not target.is_file():
        raise DataError(f"MMA did not play the groove {groove}")
    score = read_midi(Song(groove, target.read_bytes()), bpm=bpm, style=f"mma:{groove}", duration=duration)
    _start_anywhere(score, rng)
    return score


def _start_anywhere(score: Score, rng: np.random.Generator) -> None:
    shift = float(rng.uniform(0.0, 4 * 60.0 / score.bpm))
    score.notes = [
        Note(note.time - shift, note.duration, note.channel, note.pitch, note.velocity)
        for note in score.notes
        if note.time >= shift
    ]
    score.beats = [replace(beat, time=beat.time - shift) for beat in score.beats if beat.time >= shift]
    score.duration -= shift
