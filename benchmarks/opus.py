"""Read Opus files that ffmpeg made, whole and cut, and compare them with FFmpeg's own decoding.

    python benchmarks/opus.py FOLDER_OR_FILE... [--files 40]

libsndfile stops in the middle of many such files. Printed for each file: its bit rate, the part that was
kept, its length, by how much that differs from FFmpeg's, and by how much its second half is displaced against
FFmpeg's. Ends with status 1 where a length differs by more than 0.1 s, or a displacement is over 5 ms. Needs
ffmpeg with libopus.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.batch import find_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 24_000
BIT_RATES = (24, 32, 48, 64, 96, 128, 160)  # kbit/s
MAX_SECONDS = 0.1
MAX_DISPLACEMENT = 0.005  # seconds
SEARCHED = 0.5  # seconds; displacements up to this are found


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="folders and files of real audio")
    parser.add_argument("--files", type=int, default=40, help="number of Opus files, every second one cut")
    options = parser.parse_args()
    logging.getLogger("tempocli").setLevel(logging.ERROR)
    sources = list(find_files(options.sources))
    # Spread over the sources, which have their kinds of music in order.
    sources = sources[:: max(1, len(sources) // options.files)]
    rng = np.random.default_rng(0)
    worst, most_displaced = 0.0, 0.0
    print("kbit/s  kept  seconds  difference  displaced  file")
    with tempfile.TemporaryDirectory() as folder:
        opus = Path(folder) / "a.opus"
        for number, source in enumerate(islice(cycle(sources), options.files)):
            bit_rate = BIT_RATES[number % len(BIT_RATES)]
            encode(source, opus, bit_rate)
            kept = float(rng.uniform(0.2, 0.95)) if number % 2 else 1.0
            opus.write_bytes(opus.read_bytes()[: int(kept * opus.stat().st_size)])
            ours, theirs = load_audio(opus, sample_rate=RATE), decode(opus)
            difference = (len(ours) - len(theirs)) / RATE
            displaced = displacement(ours, theirs)
            worst = max(worst, abs(difference))
            most_displaced = max(most_displaced, abs(displaced))
            print(
                f"{bit_rate:6d}  {kept:4.2f}  {len(ours) / RATE:7.2f}  {difference:+10.4f}  {displaced:+9.4f}"
                f"  {Path(source).name}"
            )
    print(f"worst difference in length {worst:.4f} s, in place {most_displaced:.4f} s")
    sys.exit(worst > MAX_SECONDS or most_displaced > MAX_DISPLACEMENT)


def encode(source: str, target: Path, bit_rate: int) -> None:
    """Encode a file as Opus."""
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", source, "-c:a", "libopus", "-b:a", f"{bit_rate}k",
         str(target)],
        check=True,
    )  # fmt: skip


def decode(path: Path) -> NDArray[np.float32]:
    """Decode a file by the program ffmpeg, to mono."""
    done = subprocess.run(
        [
            "ffmpeg",
            "-nostdin",
            "-v",
            "quiet",
            "-i",
            str(path),
            "-ac",
            "1",
            "-ar",
            str(RATE),
            "-f",
            "f32le",
            "-",
        ],
        check=True,
        capture_output=True,
    )
    return np.frombuffer(done.stdout, np.float32)


def displacement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return by how many seconds the second half of `ours` comes after that of `theirs`."""
    end = min(len(ours), len(theirs))
    margin = min(int(SEARCHED * RATE), end // 8)
    start = end // 2
    part = ours[start + margin : end - margin]
    size = 1 << int(end - start).bit_length()
    spectrum = np.fft.rfft(theirs[start:end], size) * np.conj(np.fft.rfft(part, size))
    correlation = np.fft.irfft(spectrum, size)[: 2 * margin + 1]
    return (margin - int(np.argmax(correlation))) / RATE


if __name__ == "__main__":
    main()
