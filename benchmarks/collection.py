"""Make a folder of many music files out of few, for `batch.py` and `kill.py`: under other names, some as MP3.

    python benchmarks/collection.py FOLDER SOURCE... [--mp3 SOURCE]... [--files 2000]

Files are taken from the sources in turn, and again when a source has no more. What is encoded as MP3, by
ffmpeg where it is installed and else by libsndfile, is kept in `FOLDER/.mp3` and not encoded again.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import subprocess
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from tempocli.batch import find_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MP3_RATES = {22050, 24000, 32000, 44100, 48000}


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to; it may be there, with what it had before")
    parser.add_argument("sources", nargs="+", help="folders and files of real audio")
    parser.add_argument("--mp3", action="append", default=[], metavar="SOURCE", help="of this, MP3s are made")
    parser.add_argument("--files", type=int, default=2000, help="number of files")
    parser.add_argument(
        "--seconds", type=float, nargs=2, default=(20.0, 360.0), metavar=("MIN", "MAX"), help="duration"
    )
    options = parser.parse_args()
    store = options.folder / ".mp3"  # hidden, so that the folder itself has each of them by its other names
    store.mkdir(parents=True, exist_ok=True)
    groups = [suitable([source], *options.seconds) for source in options.sources]
    for source in options.mp3:
        groups.append([encoded(path, store) for path in suitable([source], *options.seconds)])
    for number, path in enumerate(islice(in_turn(groups), options.files)):
        link(path, options.folder / f"{number:06d}{Path(path).suffix.lower()}")
    print(f"{options.files} files from {', '.join(str(len(group)) for group in groups)}")


def suitable(sources: Iterable[str], shortest: float, longest: float) -> list[str]:
    """List the files whose duration is between two; sound effects are no music, and long mixes take long."""
    found = []
    for path in find_files(sources):
        try:
            duration = soundfile.info(path).duration
        except soundfile.LibsndfileError:
            continue
        if shortest <= duration <= longest:
            found.append(path)
    if not found:
        raise SystemExit(f"{', '.join(sources)}: no audio of {shortest:g} to {longest:g} seconds")
    return found


def in_turn(groups: list[list[str]]) -> Iterator[str]:
    """Give the first of each group, then the second of each, for ever."""
    for each in zip(*map(cycle, groups), strict=False):
        yield from each


def encoded(source: str, store: Path) -> str:
    """Encode a file as MP3, unless that was done before, and return its path."""
    target = store / f"{Path(source).stem}.mp3"
    if target.exists():
        return str(target)
    half = target.with_suffix(".half.mp3")
    if shutil.which("ffmpeg"):
        how = ["-map", "0:a", "-map_metadata", "-1", "-codec:a", "libmp3lame", "-q:a", "2"]
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", source, *how, half], check=True)
    else:
        samples, rate = soundfile.read(source, dtype="float32")
        soundfile.write(half, samples, rate if rate in MP3_RATES else 44100, format="MP3")
    half.replace(target)
    return str(target)


def link(source: str, target: Path) -> None:
    """Give a file another name, or copy it to another disk."""
    target.unlink(missing_ok=True)
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM}:
            raise
        shutil.copy(source, target)


if __name__ == "__main__":
    main()
