"""Score the beats of tempo on annotated music, beside a plain method, and measure grids, metre and cost.

    python benchmarks/beats.py ../shared/data/beats/dev-beats.csv [--composed 40] [--cost 40] [--offset 0]

The table has a row per track: path of the audio, from the folder above its own; kind; metre; bpm;
first_beat_s and offset_ms of a grid. Annotations are in a folder with the name of the table. As their
README says, the first 5 s of grids are not scored. Printed for each kind: F-measure, CMLt, AMLt and downbeat
F-measure of the beats, with the estimated and the true tempo, with the network and by onset strength alone;
then the grids whose tempo octave is right, the metre (with --composed, of newly composed music, which needs
what `tempo train data` needs), and with --cost the CPU time beside that of the tempo.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.beats.tracker import BeatTracker
from tempocli.decoding.beats.decoder import BeatDecoder, rise_of
from tempocli.decoding.beats.metre import METRES
from tempocli.estimator import Estimator
from tempocli.evaluation.beat_files import annotation, read_annotation
from tempocli.evaluation.beats import evaluate_beats
from tempocli.inference.beats import BeatActivations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.schema import BeatTrack, Estimate

    Floats = NDArray[np.float32]

SKIPPED = {"grid": 5.0}  # seconds, by kind
TOLERANCE = 0.04  # of a tempo whose octave is right
MAX_BPM, MAX_ANCHOR = 0.02, 0.015


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A track with what was found in it."""

    row: dict[str, str]
    annotation: Path
    log_mel: Floats
    activations: Floats
    estimate: Estimate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", help="beat network; by default, the bundled one")
    parser.add_argument("--composed", type=int, default=0, help="pieces a metre")
    parser.add_argument("--cost", type=int, default=0, help="number of tracks to time")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds added to all beats")
    options = parser.parse_args()
    estimator = Estimator(device="cpu")
    network = BeatActivations(options.model, device="cpu")
    tracks = read(options.table, estimator, network)
    decoder = BeatDecoder(network.spec)
    for title, true_tempo, silent in (
        ("beats", False, False),
        ("beats at the true tempo", True, False),
        ("onset strength alone", False, True),
        ("onset strength alone at the true tempo", True, True),
    ):
        found = [decode(decoder, each, true_tempo=true_tempo, silent=silent) for each in tracks]
        scores(title, tracks, found, options.offset)
    found = [decode(decoder, each) for each in tracks]
    grids(tracks, found)
    metres(tracks, found)
    if options.composed:
        composed(options.composed, estimator, network, decoder)
    if options.cost:
        paths = [audio_of(options.table, each.row) for each in tracks[: options.cost]]
        cost(paths, estimator, BeatTracker(options.model, device="cpu"))


def audio_of(table: Path, row: dict[str, str]) -> Path:
    """Return the audio file of a row."""
    return table.parent.parent / row["path"]


def analysed(
    log_mel: Floats, estimate: Estimate, network: BeatActivations, row: dict[str, str], path: Path
) -> Track:
    """Run the network on the frames of a track."""
    collector = network.collector()
    collector.push(log_mel)
    return Track(row, path, log_mel, collector.finish(), estimate)


def read(table: Path, estimator: Estimator, network: BeatActivations) -> list[Track]:
    """Read and analyse the tracks of a table."""
    front_end = network.spec.front_end
    tracks = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = audio_of(table, row)
            log_mel = front_end.log_mel(load_audio(path, sample_rate=front_end.sample_rate))
            beats = table.with_suffix("") / f"{path.stem}.beats"
            tracks.append(analysed(log_mel, estimator.estimate(path), network, row, beats))
    return tracks


def decode(
    decoder: BeatDecoder, track: Track, *, true_tempo: bool = False, silent: bool = False
) -> BeatTrack:
    """Find the beats of a track, at the estimated or the true tempo, with or without the activations."""
    estimate = track.estimate
    if true_tempo and estimate.bpm is not None:
        estimate = replace(estimate, bpm=float(track.row["bpm"]), steady=True)
    activations = np.zeros_like(track.activations) if silent else track.activations
    return decoder.decode(activations, track.log_mel, rise_of(track.log_mel, None), estimate)


def scores(title: str, tracks: list[Track], found: list[BeatTrack], offset: float) -> None:
    """Print the scores of each kind."""
    for kind in dict.fromkeys(track.row["kind"] for track in tracks):
        chosen = [index for index, track in enumerate(tracks) if track.row["kind"] == kind]
        references = [read_annotation(tracks[index].annotation) for index in chosen]
        estimates = [
            annotation((beat.time + offset, beat.position) for beat in found[index].beats) for index in chosen
        ]
        report = evaluate_beats(references, estimates, skip=SKIPPED.get(kind, 0.0))
        parts = []
        for name, score in (
            ("F", report.f_measure),
            ("CMLt", report.cml_t),
            ("AMLt", report.aml_t),
            ("downbeat F", report.downbeat_f_measure),
        ):
            if score is not None:
                parts.append(f"{name} {score.value:.3f} ({score.low:.3f} to {score.high:.3f})")
        print(f"{title}, {kind}, {len(chosen)} tracks: {', '.join(parts)}", flush=True)


def grids(tracks: list[Track], found: list[BeatTrack]) -> None:
    """Print how exact the grids of constant tempo are."""
    bpms, anchors, single = [], [], 0
    for track, beats in zip(tracks, found, strict=True):
        row, reference = track.row, float(track.row["bpm"])
        if row["kind"] != "grid" or not near(beats.estimate.bpm, reference) or not beats.grid:
            continue
        section = max(beats.grid, key=lambda each: each.n_beats)
        period = 60.0 / reference
        expected = float(row["first_beat_s"]) + float(row["offset_ms"] or 0.0) / 1000.0
        bpms.append(abs(section.bpm - reference))
        anchors.append(abs((section.anchor - expected + period / 2) % period - period / 2))
        single += len(beats.grid) == 1
    n = max(1, len(bpms))
    print(
        f"grids whose octave is right: {n}; BPM within {MAX_BPM}: {share(bpms, MAX_BPM):.1f} %; "
        f"anchor within {1000 * MAX_ANCHOR:.0f} ms: {share(anchors, MAX_ANCHOR):.1f} %, "
        f"median {1000 * np.median(anchors):.1f} ms; one section: {100 * single / n:.1f} %"
    )


def share(values: list[float], most: float) -> float:
    """Return the share of values up to a limit, in percent."""
    return 100.0 * float(np.mean(np.array(values) <= most))


def metres(tracks: list[Track], found: list[BeatTrack]) -> None:
    """Print the share of right metres."""
    pairs = [
        (int(float(track.row["metre"])), beats.metre)
        for track, beats in zip(tracks, found, strict=True)
        if track.row["metre"] not in {"", "0"} and beats.metre
    ]
    right = [one == other for one, other in pairs]
    always = [one == 4 for one, _ in pairs]
    others = [(one, other) for one, other in pairs if one != 4]
    print(
        f"metre of {len(pairs)} tracks: {100 * np.mean(right):.1f} % right, 'always 4' "
        f"{100 * np.mean(always):.1f} %; other metres (true, found): {others}"
    )


def composed(number: int, estimator: Estimator, network: BeatActivations, decoder: BeatDecoder) -> None:
    """Print the balanced accuracy of the metre on composed music that no network has learned from."""
    from tempocli.training.data.prepare import make_bars

    wanted = (3, 4, 5, 6, 7)
    rows: dict[int, list[tuple[int, int, bool]]] = {metre: [] for metre in wanted}
    index = 0
    while min(map(len, rows.values())) < number:
        piece = make_bars(f"bars-{index}", seed=1_000_003)
        index += 1
        metre = max(position for _, position in piece.beats)
        if metre not in rows or len(rows[metre]) >= number:
            continue
        estimate = estimator.analyse_log_mel([piece.log_mel]).estimate
        track = analysed(piece.log_mel, estimate, network, {}, Path())
        probable = decode(decoder, track).metre or 0
        rows[metre].append((probable, likely(decoder, track), near(estimate.bpm, piece.bpm)))
    for title, column in (("as in music in general", 0), ("all metres equally common", 1)):
        every = [np.mean([row[column] == metre for row in found]) for metre, found in rows.items()]
        right = [
            np.mean([row[column] == metre for row in found if row[2]] or [False])
            for metre, found in rows.items()
        ]
        print(
            f"metre of {number} composed pieces of each of {wanted}, {title}: balanced "
            f"{100 * np.mean(every):.1f} %; where the tempo is right {100 * np.mean(right):.1f} % "
            f"{np.round(right, 2).tolist()}"
        )


def likely(decoder: BeatDecoder, track: Track) -> int:
    """Return the most likely metre if all are equally common."""
    if track.estimate.bpm is None:
        return 0
    weights = decoder._spec.metre
    features = decoder.features(
        track.activations, track.log_mel, rise_of(track.log_mel, None), track.estimate
    )
    return METRES[int((np.array(weights.weights) @ features + np.array(weights.bias)).argmax())]


def near(bpm: float | None, reference: float | None) -> bool:
    """Return whether a tempo is right, octave included."""
    return bpm is not None and reference is not None and abs(bpm / reference - 1.0) <= TOLERANCE


def cost(paths: list[Path], estimator: Estimator, tracker: BeatTracker) -> None:
    """Print the CPU time of beats and of the tempo alone, warm, in turn."""
    seconds = sum(estimator.estimate(path).duration for path in paths)
    tracker.track(paths[0])
    spent = {"tempo": 0.0, "beats": 0.0}
    for path in paths:
        for name, function in (("tempo", estimator.estimate), ("beats", tracker.track)):
            began = time.process_time()
            function(path)
            spent[name] += time.process_time() - began
    print(
        f"CPU of {len(paths)} tracks: beats {spent['beats']:.2f} s, tempo {spent['tempo']:.2f} s, "
        f"{spent['beats'] / spent['tempo']:.2f} times; {seconds / spent['beats']:.0f} times real time"
    )


if __name__ == "__main__":
    main()
