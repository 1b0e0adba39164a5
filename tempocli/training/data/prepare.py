"""Preparation of feature stores from composed music, MIDI, MMA and folders of audio."""

from __future__ import annotations

import csv
import logging
import multiprocessing
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.batch import find_files
from tempocli.errors import AudioError, DataError
from tempocli.features.front_end import FrontEnd
from tempocli.training.data.store import DRUM_PROGRAM, StoreWriter
from tempocli.training.synth.composer import accompany, compose
from tempocli.training.synth.midi import (
    Song,
    groove_performances,
    midi_length,
    midi_songs,
    mma_grooves,
    play_groove,
    read_midi,
)
from tempocli.training.synth.render import Renderer, master
from tempocli.training.synth.score import DRUMS, Note, Score
from tempocli.training.synth.solo import play_solo
from tempocli.training.synth.speech import speak
from tempocli.training.synth.styles import NO_OTHER_METRE, draw_style, draw_tempo, in_metre, load_styles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

log = logging.getLogger(__name__)

CLIP_SECONDS = 40.0
TEMPO_FRONT_END = FrontEnd()
# The same spectrum in more bands: at 40, instruments are harder to tell.
MUSIC_FRONT_END = FrontEnd(n_mels=96)
_SOUNDFONTS = Path("/usr/share/sounds")
_KITS = Path("/usr/share/hydrogen/data/drumkits")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The features of one clip, to be stored."""

    name: str
    log_mel: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    bpm: float | None
    style: str
    group: str
    beats: tuple[tuple[float, int], ...] = ()
    programs: tuple[int, ...] = ()


def find_soundfonts(folder: Path = _SOUNDFONTS) -> list[Path]:
    """List the distinct soundfonts of a folder, smallest first.

    Raises
    ------
    DataError
        If there are no soundfonts.
    """
    found = {path.resolve() for pattern in ("*.sf2", "*.sf3") for path in folder.rglob(pattern)}
    # The two MuseScore soundfonts differ only in size; the small one renders faster.
    fonts = sorted(
        (path for path in found if path.stem != "MuseScore_General"), key=lambda p: (p.stat().st_size, p)
    )
    if not fonts:
        raise DataError(f"{folder}: holds no soundfonts; install fluid-soundfont-gm or another")
    return fonts


def prepare(
    folder: Path,
    names: Iterable[str],
    make: Callable[[str], Prepared | None],
    *,
    jobs: int,
    front_end: FrontEnd = TEMPO_FRONT_END,
) -> Iterator[str]:
    """Make the clips missing from a store and append them.

    Parameters
    ----------
    folder : Path
        The store.
    names : iterable of str
        Names of all clips of the store.
    make : callable
        Returns the clip of a name, or ``None`` if it cannot be made; deterministic.
    jobs : int
        Number of worker processes.
    front_end : FrontEnd
        The front end of the clips.

    Yields
    ------
    str
        Each name when it is done, including clips that already exist.
    """
    with StoreWriter(folder, front_end) as writer:
        names = list(names)
        yield from (name for name in names if name in writer.names)
        missing = [name for name in names if name not in writer.names]
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            for name, clip in zip(missing, pool.imap(make, missing, chunksize=1), strict=True):
                if clip is not None:
                    writer.add(
                        clip.name,
                        clip.log_mel,
                        bpm=clip.bpm,
                        style=clip.style,
                        group=clip.group,
                        beats=clip.beats,
                        programs=clip.programs,
                    )
                yield name


_renderers: dict[int, Renderer] = {}


def _render(score: Score, rng: np.random.Generator, name: str, group: str, front_end: FrontEnd) -> Prepared:
    if 0 not in _renderers:  # one per process, since soundfonts load slowly
        kits = sorted(path.parent for path in _KITS.glob("*/drumkit.xml"))
        _renderers[0] = Renderer(find_soundfonts(), kits, front_end.sample_rate)
    samples = _renderers[0].render(score, rng)
    beats = tuple((round(beat.time, 4), beat.position) for beat in score.beats)
    programs = _programs(score)
    return Prepared(name, front_end.log_mel(samples), score.bpm, score.style, group, beats, programs)


def _programs(score: Score) -> tuple[int, ...]:
    channels = {note.channel for note in score.notes}
    found = {
        DRUM_PROGRAM if channel == DRUMS else score.programs.get(channel, 0)
        for channel in channels
        # A synthesiser may play these in place of the program.
        if channel not in score.electronic
    }
    return tuple(sorted(found))


def _rng(kind: int, seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([kind, seed, index])


def make_synthetic(name: str, *, seed: int, front_end: FrontEnd = TEMPO_FRONT_END) -> Prepared:
    """Compose and render one procedural clip; `name` ends in its index."""
    rng = _rng(1, seed, int(name.split("-")[-1]))
    score = compose(draw_style(rng), rng, duration=CLIP_SECONDS)
    return _render(score, rng, name, name, front_end)


def make_metres(name: str, *, seed: int) -> Prepared:
    """Compose and render one clip whose beats are known, half of them in other metres than four.

    `name` ends in its index.
    """
    rng = _rng(7, seed, int(name.split("-")[-1]))
    style = draw_style(rng)
    while style.beats != round(style.beats):
        style = draw_style(rng)
    if style.beats == 4 and style.name not in NO_OTHER_METRE and rng.random() < 0.5:
        style = in_metre(style, int(rng.choice([3, 3, 5, 6, 6, 7])))
    score = compose(style, rng, duration=CLIP_SECONDS)
    return _render(score, rng, name, name, TEMPO_FRONT_END)


def make_solo(name: str, *, seed: int, front_end: FrontEnd = TEMPO_FRONT_END) -> Prepared:
    """Compose and render one instrument alone; `name` ends in its index."""
    rng = _rng(9, seed, int(name.split("-")[-1]))
    return _render(play_solo(rng, duration=CLIP_SECONDS / 2.0), rng, name, name, front_end)


def make_bars(name: str, *, seed: int) -> Prepared:
    """Compose and render one clip in a metre from two to seven, each as often as the others."""
    rng = _rng(8, seed, int(name.split("-")[-1]))
    style = draw_style(rng)
    while style.beats != 4 or style.name in NO_OTHER_METRE:
        style = draw_style(rng)
    metre = int(rng.integers(2, 8))
    score = compose(style if metre == 4 else in_metre(style, metre), rng, duration=CLIP_SECONDS)
    return _render(score, rng, name, name, TEMPO_FRONT_END)


def make_mma(name: str, *, seed: int, front_end: FrontEnd = TEMPO_FRONT_END) -> Prepared | None:
    """Play and render one MMA groove; `name` ends in its index."""
    index = int(name.split("-")[-1])
    rng = _rng(2, seed, index)
    grooves = mma_grooves()
    groove, tempo = grooves[index % len(grooves)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            score = play_groove(groove, tempo, rng, duration=CLIP_SECONDS + 5.0, folder=Path(folder))
    except DataError as error:
        log.info("%s", error)
        return None
    if score.duration < 15.0 or len(score.notes) < 20:
        return None
    return _render(score, rng, name, groove, front_end)


_ACCOMPANIMENTS = {
    "rock": ("rock", "slow rock", "fast rock", "pop"),
    "funk": ("funk", "soul"),
    "soul": ("soul", "neo-soul"),
    "jazz": ("swing", "slow swing"),
    "hiphop": ("hip-hop", "neo-soul"),
    "latin": ("afrobeat", "cha-cha", "pop"),
    "punk": ("punk",),
    "reggae": ("reggae",),
    "country": ("country",),
    "dance": ("house",),
}


def make_groove(name: str, *, seed: int, folder: Path, aligned: bool = False) -> Prepared:
    """Render one drum performance of the Groove MIDI Dataset, usually with an accompaniment in its style.

    The bars of the accompaniment start anywhere, or with those of the drummer if `aligned`; the beats are
    those of the drummer's click.
    """
    index = int(name.split("-")[-1])
    rng = _rng(3, seed, index)
    performances = groove_performances(folder, min_duration=15.0)
    path, bpm, style = performances[index % len(performances)]
    score = read_midi(
        Song(path.name, path.read_bytes()), bpm=bpm, style=f"groove:{style}", duration=CLIP_SECONDS
    )
    score.kit = "acoustic" if rng.random() < 0.8 else "electronic"
    parts = tuple(part for part in ("bass", "chords", "melody", "pad") if rng.random() < 0.6)
    if parts and rng.random() < 0.75:
        wanted = _ACCOMPANIMENTS.get(style, ("pop", "rock", "soul"))
        choices = [style for style in load_styles() if style.name in wanted]
        other = choices[int(rng.integers(len(choices)))]
        accompany(score, other, rng, parts=parts, aligned=aligned)
    return _render(score, rng, name, str(path.relative_to(folder).parent), TEMPO_FRONT_END)


def make_clicks(name: str, *, seed: int, front_end: FrontEnd = TEMPO_FRONT_END) -> Prepared:
    """Render a click track: one drum sound on every beat, with or without accents."""
    rng = _rng(4, seed, int(name.split("-")[-1]))
    bpm = draw_tempo((30.0, 300.0), rng)
    every = int(rng.choice([1, 2, 3, 4]))
    accent = int(rng.integers(20, 127))
    pitch = int(rng.choice([36, 37, 38, 39, 42, 45, 54, 63, 75, 76]))
    score = Score(bpm=bpm, style="clicks", duration=CLIP_SECONDS, kit="electronic")
    first = float(rng.uniform(0.0, 60.0 / bpm))
    n_beats = int((CLIP_SECONDS - first) * bpm / 60.0)
    score.notes = [
        Note(first + beat * 60.0 / bpm, 0.1, DRUMS, pitch, 127 if beat % every == 0 else accent)
        for beat in range(n_beats)
    ]
    return _render(score, rng, name, name, front_end)


def music_files(folder: Path) -> list[str]:
    """List the audio files of a folder as relative paths; each subfolder is one group of the split.

    Raises
    ------
    DataError
        If there are no audio files.
    """
    paths = (Path(path) for path in find_files([folder]))
    found = sorted(str(path.relative_to(folder)) for path in paths if path.is_file())
    if not found:
        raise DataError(f"{folder}: holds no music")
    return found


def listed_music(folder: Path, listed: Path) -> list[str]:
    """Read a list of files of a folder, one relative path per line.

    Raises
    ------
    DataError
        If the list cannot be read, is empty, or names a missing file.
    """
    try:
        names = [line for line in listed.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listed}: not a list of files ({error})") from error
    if not names:
        raise DataError(f"{listed}: names no file")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: lacks {len(missing)} of the listed files, {missing[0]} among them")
    return names


def cc_music(folder: Path) -> dict[str, str]:
    """Read the list ``cc-music.csv`` of a folder of free music.

    Tracks that come from Debian's packages are left out, since they are in the list of recordings, too.

    Returns
    -------
    dict of str to str
        Artist of each file; the path is relative to the folder.

    Raises
    ------
    DataError
        If the list cannot be read or lacks a column, or a file is missing.
    """
    listed = folder / "cc-music.csv"
    try:
        with listed.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        artists = {
            row["path"]: row["artist"] for row in rows if not row["source_repository"].startswith("Debian")
        }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise DataError(f"{listed}: not a list of free music ({error})") from error
    missing = [path for path in artists if not (folder / path).is_file()]
    if missing or not artists:
        raise DataError(f"{folder}: lacks {len(missing)} of the listed files")
    return artists


def make_midi(
    name: str, *, seed: int, folder: Path, front_end: FrontEnd = TEMPO_FRONT_END
) -> Prepared | None:
    """Render a part of one of a folder's MIDI songs, transposed, at the tempo given in the file."""
    index = int(name.split("-")[-1])
    rng = _rng(5, seed, index)
    songs = midi_songs(folder)
    song = songs[index % len(songs)]
    try:
        start = float(rng.uniform(0.0, max(1.0, midi_length(song) - CLIP_SECONDS)))
        score = read_midi(song, style="midi", duration=CLIP_SECONDS, start=start)
    except DataError as error:
        log.info("%s", error)
        return None
    if score.duration < 15.0 or len(score.notes) < 20:
        return None
    shift = int(rng.integers(-3, 4))
    score.notes = [
        note if note.channel == DRUMS else replace(note, pitch=min(127, max(0, note.pitch + shift)))
        for note in score.notes
    ]
    score.kit = "acoustic" if rng.random() < 0.7 else "electronic"
    return _render(score, rng, name, song.name, front_end)


def make_speech(name: str, *, seed: int, front_end: FrontEnd = TEMPO_FRONT_END) -> Prepared:
    """Synthesise speech of random sentences: a clip without a tempo."""
    rng = _rng(6, seed, int(name.split("-")[-1]))
    with tempfile.TemporaryDirectory() as folder:
        samples = speak(rng, duration=CLIP_SECONDS, sample_rate=front_end.sample_rate, folder=Path(folder))
    samples = master(samples, rng, sample_rate=front_end.sample_rate)
    return Prepared(name, front_end.log_mel(samples), None, "speech", name)


def make_audio(
    name: str,
    *,
    folder: Path,
    front_end: FrontEnd = TEMPO_FRONT_END,
    groups: Mapping[str, str] = MappingProxyType({}),
) -> Prepared | None:
    """Read one file of unlabelled audio.

    `name` is its path below `folder`. Its group is in `groups`, or else the first part of the path.
    """
    try:
        samples = load_audio(folder / name, sample_rate=front_end.sample_rate)
    except AudioError as error:
        log.info("%s", error)
        return None
    # Limit the length, or an hour-long file would have the weight of a whole package.
    samples = samples[: 300 * front_end.sample_rate]
    if len(samples) < 15 * front_end.sample_rate:
        return None
    return Prepared(name, front_end.log_mel(samples), None, "audio", groups.get(name, Path(name).parts[0]))
