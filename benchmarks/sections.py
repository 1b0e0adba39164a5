"""Score the sections that tempo finds, beside plain methods, on rendered songs whose form is annotated.

    python benchmarks/sections.py --songs ../shared/data/embedding/pop909 --soundfont FILE.sf2
    python benchmarks/sections.py --modules ../shared/data/embedding/modules.csv --files FOLDER

`--songs` is a folder with `midi/NAME.mid`, `sections1/NAME.csv` and `sections2/NAME.csv`, which the
program `fluidsynth` renders. `--modules` is a table with the columns `file` (within the folder `--files`),
`duration_s` and `boundaries` (`seconds:pattern`, separated by blanks), which the program `openmpt123`
renders. Printed: F of boundaries within 0.5 and 3 s, also without the first and last one, and pairwise F,
with 95 % intervals: of tempo; of the same by chroma and mel cepstra alone, without the section encoder,
and without the discriminant; of eight bars each, of one label, and of one annotator against the other;
the differences from tempo, paired; with `--cost`, CPU time beside that of the tempo. `--model` takes
another section encoder. Rendered audio is kept in `--work`.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.beats.tracker import BeatTracker
from tempocli.decoding.segments import decoder, vectors
from tempocli.decoding.segments.decoder import Sounds
from tempocli.decoding.segments.grid import make_grid
from tempocli.embedding.segmentation.collector import FrameCollector
from tempocli.estimator import Estimator
from tempocli.evaluation.segment_files import read_segments
from tempocli.evaluation.segments import Segmentation, evaluate_segments, score_segments
from tempocli.features.cells import means
from tempocli.inference.music import MusicEncoder
from tempocli.inference.structure.sections import SectionEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.decoding.segments.decoder import EncodeCells, Frames
    from tempocli.decoding.segments.grid import Grid
    from tempocli.decoding.segments.song import Section
    from tempocli.schema import BeatTrack

    Estimates = list[Segmentation]

SAMPLE_RATE = 22050
SCORES = ("f_half", "f_three", "f_half_trimmed", "f_three_trimmed", "pairwise")


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """A rendered song: its annotations, and what its sections are told by."""

    references: list[Segmentation]
    track: BeatTrack
    frames: Frames
    duration: float


def main() -> None:
    """Render, segment and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--modules", type=Path)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tempo-sections")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--model", help="section encoder: a name or an ONNX file")
    parser.add_argument("--cost", action="store_true", help="measure CPU time, too")
    options = parser.parse_args()
    if (options.songs is None) != (options.soundfont is None) or (options.modules is None) != (
        options.files is None
    ):
        parser.error("--songs goes with --soundfont, --modules with --files")
    options.work.mkdir(parents=True, exist_ok=True)
    for title, found in (
        ("songs", options.songs and midi_songs(options.songs, options.soundfont, options.work)),
        ("modules", options.modules and modules(options.modules, options.files, options.work)),
    ):
        if found:
            encode = SectionEncoder(options.model, device="cpu").encode
            report(title, found[: options.limit], encode)
            if options.cost:
                cost([audio for audio, _ in found[: options.limit]], encode)


def midi_songs(folder: Path, soundfont: Path, work: Path) -> list[tuple[Path, list[Segmentation]]]:
    """Render songs; return their audio with the sections by each annotator."""
    found = []
    for song in sorted((folder / "midi").glob("*.mid")):
        audio = work / f"{song.stem}.wav"
        command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(SAMPLE_RATE), "-F"]
        render([*command, "PART", str(soundfont), str(song)], audio)
        found.append((audio, [read_segments(folder / f"sections{k}" / f"{song.stem}.csv") for k in (1, 2)]))
    return found


def modules(table: Path, files: Path, work: Path) -> list[tuple[Path, list[Segmentation]]]:
    """Render tracker modules; return their audio with the patterns that they play."""
    found = []
    with table.open(newline="", encoding="utf-8") as rows:
        for number, row in enumerate(csv.DictReader(rows)):
            source = files / row["file"]
            if not source.exists():
                print(f"not there, left out: {source}")
                continue
            copy = work / f"module{number:03d}{source.suffix}"
            audio = copy.with_name(copy.name + ".wav")
            if not audio.exists():
                shutil.copy(source, copy)
                command = ["openmpt123", "--quiet", "--batch", "--samplerate", str(SAMPLE_RATE), "--no-float"]
                subprocess.run([*command, "--output-type", "wav", "--render", str(copy)], check=True)
            found.append((audio, [patterns(row["boundaries"], float(row["duration_s"]))]))
    return found


def render(command: list[str], audio: Path) -> None:
    """Run a command that writes its file PART, unless the audio is there already."""
    if not audio.exists():
        part = audio.with_suffix(".part.wav")
        subprocess.run(
            [str(part) if word == "PART" else word for word in command],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        part.rename(audio)


def patterns(text: str, end: float) -> Segmentation:
    """Read `seconds:pattern` pairs."""
    pairs = [pair.split(":") for pair in text.split()]
    times = np.array([float(seconds) for seconds, _ in pairs] + [end])
    kept = np.diff(times) > 1e-3
    intervals = np.stack([times[:-1], times[1:]], axis=1)[kept]
    return Segmentation(intervals, tuple(name for (_, name), keep in zip(pairs, kept, strict=True) if keep))


def report(title: str, found: list[tuple[Path, list[Segmentation]]], encode: EncodeCells) -> None:
    """Print the scores of some songs."""
    tracker, encoder = BeatTracker(device="cpu"), MusicEncoder(device="cpu")
    songs = [read(audio, references, tracker, encoder) for audio, references in found]
    n_annotators = len(songs[0].references)
    methods: dict[str, Callable[[Song], Segmentation]] = {
        "tempo": partial(full, encode=encode),
        "chroma and cepstra": plain,
        "without the section encoder": partial(full, encode=None),
        "without the discriminant": partial(without_discriminant, encode=encode),
        "eight bars each": regular,
        "one label": alone,
    }
    estimates = {name: [method(song) for song in songs] for name, method in methods.items()}
    for annotator in range(n_annotators):
        print(f"\n{title} ({len(songs)}), annotator {annotator + 1}")
        print("| | F 0.5 s | F 3 s | 0.5 s trimmed | 3 s trimmed | pairwise F |\n|---|---|---|---|---|---|")
        references = [song.references[annotator] for song in songs]
        for name, own in estimates.items():
            line(name, references, own)
        if n_annotators > 1:
            line("the other annotator", references, [song.references[1 - annotator] for song in songs])
        for name in list(estimates)[1:4]:
            difference(f"tempo less {name}", references, estimates["tempo"], estimates[name])


def line(name: str, references: Estimates, estimates: Estimates) -> None:
    """Print a row of the table."""
    scores = evaluate_segments(references, estimates)
    cells = [getattr(scores, each) for each in SCORES]
    print(f"| {name} | {' | '.join(f'{c.value:.3f} ({c.low:.3f} to {c.high:.3f})' for c in cells)} |")


def difference(name: str, references: Estimates, first: Estimates, second: Estimates) -> None:
    """Print a row of mean differences, with their standard errors."""
    cells = []
    for each in SCORES:
        values = np.array(
            [
                getattr(score_segments(reference, one), each)
                - getattr(score_segments(reference, other), each)
                for reference, one, other in zip(references, first, second, strict=True)
            ]
        )
        cells.append(f"{values.mean():+.3f} (SE {values.std(ddof=1) / len(values) ** 0.5:.3f})")
    print(f"| {name} | {' | '.join(cells)} |")


def read(audio: Path, references: list[Segmentation], tracker: BeatTracker, encoder: MusicEncoder) -> Song:
    """Compute what the sections of a song are told by."""
    collector = FrameCollector(encoder.spec, encoder.encode)
    samples = load_audio(audio, sample_rate=SAMPLE_RATE)
    track = tracker.track_blocks(collector.watch([samples]))
    return Song(references, track, collector.finish(), collector.duration)


def full(song: Song, encode: EncodeCells | None) -> Segmentation:
    """Segment as `tempo segment` does."""
    return of(decoder.decode_sections(song.track, song.frames, song.duration, encode).sections)


def plain(song: Song) -> Segmentation:
    """Segment by chroma and mel cepstra alone, as they are."""

    def describe(grid: Grid, frames: Frames, encode: EncodeCells | None) -> Sounds:
        parts = vectors.parts_of(grid.times)
        chroma = means(frames.chroma, parts * frames.chroma_rate)
        timbre = vectors.timbre_vectors(means(frames.log_mel, parts * frames.log_mel_rate))
        repeats, labels = (vectors.chroma_vectors(chroma, centred=centred) for centred in (False, True))
        return Sounds(vectors.joined(repeats, timbre), timbre, vectors.joined(labels, timbre))

    kept = decoder.describe
    try:
        decoder.describe = describe
        return full(song, None)
    finally:
        decoder.describe = kept


def without_discriminant(song: Song, encode: EncodeCells) -> Segmentation:
    """Segment by the vectors of the section encoder and cepstra as they are."""
    kept, kept_embedding = vectors.discriminant_vectors, vectors.embedding_vectors
    try:
        vectors.discriminant_vectors = lambda vectors: kept_embedding(vectors)
        return full(song, encode)
    finally:
        vectors.discriminant_vectors = kept


def regular(song: Song) -> Segmentation:
    """Cut every eight bars, with a label each."""
    times = make_grid(song.track, song.duration).times
    edges = np.unique(np.append(times[::8], times[-1]))
    return Segmentation(
        np.stack([edges[:-1], edges[1:]], axis=1), tuple(str(number) for number in range(len(edges) - 1))
    )


def alone(song: Song) -> Segmentation:
    """Give all of a song one label."""
    return Segmentation(np.array([[0.0, song.duration]]), ("A",))


def of(sections: tuple[Section, ...]) -> Segmentation:
    """Return sections as they are scored."""
    return Segmentation(
        np.array([[each.start, each.end] for each in sections]), tuple(each.label for each in sections)
    )


def cost(files: list[Path], encode: EncodeCells) -> None:
    """Print the CPU time of the parts of the work, as multiples of that of the tempo."""
    estimator, tracker, encoder = (
        Estimator(device="cpu"),
        BeatTracker(device="cpu"),
        MusicEncoder(device="cpu"),
    )
    spent = dict.fromkeys(("tempo", "beats", "frames and vectors", "sections"), 0.0)
    for number, file in enumerate([files[0], *files]):
        samples = load_audio(file, sample_rate=SAMPLE_RATE)
        collector = FrameCollector(encoder.spec, encoder.encode)
        began = [time.process_time()]
        estimator.estimate_array(samples, SAMPLE_RATE)
        began.append(time.process_time())
        track = tracker.track_blocks([samples])
        began.append(time.process_time())
        for _ in collector.watch([samples]):
            pass
        frames = collector.finish()
        began.append(time.process_time())
        decoder.decode_sections(track, frames, collector.duration, encode)
        began.append(time.process_time())
        if number:  # the first song warms up
            for name, spell in zip(spent, np.diff(began), strict=True):
                spent[name] += float(spell)
    for name, seconds in spent.items():
        print(f"CPU time, {name}: {seconds / spent['tempo']:.2f} times that of the tempo")


if __name__ == "__main__":
    main()
