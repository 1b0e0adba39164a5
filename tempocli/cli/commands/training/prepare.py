"""``tempo train data``: prepare training data; a thin layer over `tempocli.training`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli.commands.training.progress import progress
from tempocli.cli.limits import sensible_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER = click.Path(file_okay=False, path_type=Path)
_THERE = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def data() -> None:
    """Prepare training data, one kind at a time; existing clips are kept."""


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all kinds of data have."""
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            callback=sensible_jobs,
            help="Number of worker processes.",
        ),
        click.option("--out", type=_FOLDER, required=True, help="Data folder; each kind has a subfolder."),
    ):
        function = option(function)
    return function


def _generated(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        function = click.option("--seed", default=0, show_default=True, help="Random seed.")(function)
        return click.option(
            "--clips",
            type=click.IntRange(1),
            default=default,
            show_default=True,
            help="Number of 40 s clips.",
        )(function)

    return decorate


_sources = click.option(
    "--sources",
    type=_FOLDER,
    required=True,
    help="Folder of Debian packages; missing ones are downloaded.",
)


@data.command("all")
@shared
@_sources
@click.option(
    "--groove", "performances", type=_THERE, required=True, help="Folder of the Groove MIDI Dataset."
)
def everything(out: Path, jobs: int, sources: Path, performances: Path) -> None:
    """Prepare all training data of the tempo models (Debian only)."""
    from tempocli.training.data.prepare import listed_music
    from tempocli.training.data.sources import music_list

    _check("apt-get", "dpkg-deb", "FluidSynth", "soundfonts", "MMA", "eSpeak NG")

    songs, music = _fetch(sources, music_list())
    context = click.get_current_context()
    for kind in (synthetic, mma, clicks, speech):
        context.invoke(kind, out=out, jobs=jobs)
    context.invoke(midi, folder=songs, out=out, jobs=jobs)
    context.invoke(groove, folder=performances, out=out, jobs=jobs)
    _audio(music, listed_music(music, music_list()), out, jobs)


@data.command("music")
@shared
@_sources
@click.option(
    "--cc-music",
    "free",
    type=_THERE,
    help="Folder of free music listed in its cc-music.csv; left out without it.",
)
def music_of_all_kinds(out: Path, jobs: int, sources: Path, free: Path | None) -> None:
    """Prepare all training data of the music embedding (Debian only)."""
    from tempocli.training.data import prepare as made
    from tempocli.training.data.sources import embedding_music_list
    from tempocli.training.synth.midi import midi_songs, mma_grooves

    _check("apt-get", "dpkg-deb", "FluidSynth", "soundfonts", "MMA")
    listed = embedding_music_list()
    songs, music = _fetch(sources, listed)
    front_end = made.MUSIC_FRONT_END
    mma_grooves(), midi_songs(songs)  # fail early if one is missing
    recordings = partial(made.make_audio, front_end=front_end)
    stores: dict[str, tuple[list[str], Callable[[str], Any]]] = {
        "debian": (made.listed_music(music, listed), partial(recordings, folder=music)),
    }
    if free is not None:
        artists = made.cc_music(free)
        stores["cc"] = (list(artists), partial(recordings, folder=free, groups=artists))
    composed: list[tuple[str, Callable[..., Any], int]] = [
        ("synthetic", made.make_synthetic, 1000),
        ("mma", made.make_mma, 500),
        ("midi", partial(made.make_midi, folder=songs), 500),
        ("solo", made.make_solo, 600),
    ]
    for kind, compose, clips in composed:
        names = [f"{kind}-{index}" for index in range(clips)]
        stores[kind] = (names, partial(compose, seed=1, front_end=front_end))
    for kind, (names, make) in stores.items():
        clips_made = made.prepare(out / f"music-{kind}", names, make, jobs=jobs, front_end=front_end)
        run_all(len(names), clips_made)


@data.command("sounds")
@shared
@_sources
def sounds_without_music(out: Path, jobs: int, sources: Path) -> None:
    """Prepare sounds that are no music, and speech, to compare with music (Debian only)."""
    from tempocli.training.data import prepare as made
    from tempocli.training.data.sources import sounds_list

    _check("apt-get", "dpkg-deb", "eSpeak NG")
    _, folder = _fetch(sources, sounds_list())
    front_end = made.MUSIC_FRONT_END
    stores: dict[str, tuple[list[str], Callable[[str], Any]]] = {
        "debian": (
            made.listed_music(folder, sounds_list()),
            partial(made.make_audio, folder=folder, front_end=front_end),
        ),
        "speech": (
            [f"speech-{index}" for index in range(200)],
            partial(made.make_speech, seed=1, front_end=front_end),
        ),
    }
    for kind, (names, make) in stores.items():
        run_all(len(names), made.prepare(out / f"sounds-{kind}", names, make, jobs=jobs, front_end=front_end))


@data.command("beats")
@shared
@_sources
@click.option(
    "--groove", "performances", type=_THERE, required=True, help="Folder of the Groove MIDI Dataset."
)
def music_with_beats(out: Path, jobs: int, sources: Path, performances: Path) -> None:
    """Prepare music whose beats are known, and recordings, for the beat network (Debian only)."""
    from tempocli.training.data import prepare as made
    from tempocli.training.data.sources import music_list
    from tempocli.training.synth.midi import groove_performances, midi_songs, mma_grooves

    _check("apt-get", "dpkg-deb", "FluidSynth", "soundfonts", "MMA")
    songs, music = _fetch(sources, music_list())
    mma_grooves(), midi_songs(songs), groove_performances(performances, min_duration=0.0)
    kinds: list[tuple[str, Callable[..., Any], int]] = [
        ("metres", made.make_metres, 2000),
        ("bars", made.make_bars, 1500),
        ("mma", made.make_mma, 600),
        ("midi", partial(made.make_midi, folder=songs), 600),
        ("groove", partial(made.make_groove, folder=performances, aligned=True), 400),
    ]
    for kind, make, clips in kinds:
        names = [f"{kind}-{index}" for index in range(clips)]
        run_all(clips, made.prepare(out / f"beats-{kind}", names, partial(make, seed=2), jobs=jobs))
    _audio(music, made.listed_music(music, music_list()), out, jobs)


@data.command()
@shared
@click.option(
    "--model", type=_FILE, required=True, help="ONNX file of the beat network that finds the beats."
)
def recordings(out: Path, jobs: int, model: Path) -> None:
    """Find beats in the music of 'audio', for a second beat network to learn from."""
    from tempocli.training.data.prepare import prepare
    from tempocli.training.data.recordings import make_recording
    from tempocli.training.data.store import open_store

    source = out / "audio"
    names = [clip.name for clip in open_store(source).clips]
    make = partial(make_recording, source=source, model=model)
    run_all(len(names), prepare(out / "beats-recordings", names, make, jobs=jobs))


def _fetch(sources: Path, listed: Path) -> tuple[Path, Path]:
    """Download the packages of songs and of listed recordings; return their folders."""
    from tempocli.training.data.sources import fetch, packages_of, song_packages

    songs, music = sources / "songs", sources / "music"
    for folder, packages in ((songs, song_packages()), (music, packages_of(listed))):
        run_all(len(packages), fetch(folder, packages), "downloading packages")
    return songs, music


@data.command()
@shared
@_generated(4500)
def synthetic(out: Path, jobs: int, clips: int, seed: int) -> None:
    """Compose and render music in about a hundred styles (FluidSynth and soundfonts)."""
    from tempocli.training.data.prepare import make_synthetic

    _check("FluidSynth", "soundfonts")
    _prepare(out, "synthetic", clips, partial(make_synthetic, seed=seed), jobs)


@data.command()
@shared
@_generated(300)
def clicks(out: Path, jobs: int, clips: int, seed: int) -> None:
    """Render click tracks of 30 to 300 BPM."""
    from tempocli.training.data.prepare import make_clicks

    _check("FluidSynth", "soundfonts")
    _prepare(out, "clicks", clips, partial(make_clicks, seed=seed), jobs)


@data.command()
@shared
@_generated(200)
def speech(out: Path, jobs: int, clips: int, seed: int) -> None:
    """Synthesise speech with espeak-ng: clips without a tempo."""
    from tempocli.training.data.prepare import make_speech

    _check("eSpeak NG")
    _prepare(out, "speech", clips, partial(make_speech, seed=seed), jobs)


@data.command()
@shared
@_generated(1214)
def mma(out: Path, jobs: int, clips: int, seed: int) -> None:
    """Render the grooves of MMA (Musical MIDI Accompaniment)."""
    from tempocli.training.data.prepare import make_mma
    from tempocli.training.synth.midi import mma_grooves

    _check("FluidSynth", "soundfonts", "MMA")
    mma_grooves()  # fails early if its library is missing
    _prepare(out, "mma", clips, partial(make_mma, seed=seed), jobs)


@data.command()
@click.argument("folder", type=_THERE)
@shared
@_generated(800)
def groove(folder: Path, out: Path, jobs: int, clips: int, seed: int) -> None:
    """Render the drum performances of the Groove MIDI Dataset in FOLDER, with accompaniment."""
    from tempocli.training.data.prepare import make_groove
    from tempocli.training.synth.midi import groove_performances

    _check("FluidSynth", "soundfonts")
    groove_performances(folder, min_duration=0.0)
    _prepare(out, "groove", clips, partial(make_groove, seed=seed, folder=folder), jobs)


@data.command()
@click.argument("folder", type=_THERE)
@shared
@_generated(1300)
def midi(folder: Path, out: Path, jobs: int, clips: int, seed: int) -> None:
    """Render the MIDI songs in FOLDER, including those in WAD files, at their own tempo."""
    from tempocli.training.data.prepare import make_midi
    from tempocli.training.synth.midi import midi_songs

    _check("FluidSynth", "soundfonts")
    midi_songs(folder)
    _prepare(out, "midi", clips, partial(make_midi, seed=seed, folder=folder), jobs)


@data.command()
@click.argument("folder", type=_THERE)
@shared
@click.option(
    "--list",
    "listed",
    type=_FILE,
    help="File that lists the files to read: one path relative to FOLDER per line.",
)
def audio(folder: Path, out: Path, jobs: int, listed: Path | None) -> None:
    """Read the unlabelled music in FOLDER; each subfolder is one group of the split."""
    from tempocli.training.data.prepare import listed_music, music_files

    _audio(folder, music_files(folder) if listed is None else listed_music(folder, listed), out, jobs)


def _audio(folder: Path, names: list[str], out: Path, jobs: int) -> None:
    from tempocli.training.data.prepare import make_audio, prepare

    run_all(len(names), prepare(out / "audio", names, partial(make_audio, folder=folder), jobs=jobs))


def _prepare(out: Path, kind: str, clips: int, make: Callable[[str], Any], jobs: int) -> None:
    from tempocli.training.data.prepare import prepare

    names = [f"{kind}-{index}" for index in range(clips)]
    run_all(clips, prepare(out / kind, names, make, jobs=jobs))


def run_all(total: int, done: Iterator[str], what: str = "preparing") -> None:
    """Make all clips, and show the progress."""
    with progress(what, total) as report:
        for completed, _ in enumerate(done, start=1):
            report(completed)


def _check(*names: str) -> None:
    from tempocli.training.data.programs import check_programs

    check_programs(*names)
