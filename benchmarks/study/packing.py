"""Feature stores packed small enough to be carried to another machine, as pictures.

    python benchmarks/study/packing.py pack DATA PACKED [--seconds 75] [--composed-seconds 24] [--quality 75]
    python benchmarks/study/packing.py unpack PACKED DATA [--jobs 2]

Stores are float16 at 86 frames a second, 60 MB for an hour of music. Packed, an hour takes 3 MB: pairs of
frames are averaged, as the networks of the study do first, and kept as a WebP picture of 256 grey levels a
clip. Unpacked stores have the original frame rate again, by linear interpolation. They differ from the
originals by about a tenth of the standard deviation of their values (`pack` prints it), so a study uses
unpacked stores on all its machines. Clips are cut to --seconds, those of composed music, which have a tempo,
to --composed-seconds.

PACKED holds a file of at most --part megabytes for each part; any number of them can be carried at once, and
`unpack` takes all that it finds and adds what is missing.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tempocli.errors import DataError, TempoError
from tempocli.features.front_end import FrontEnd
from tempocli.training.data.store import StoreWriter, open_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_LEVELS = 255
_METHOD = 2  # of WebP: how long the encoder searches


def encode(frames: NDArray[np.float16], quality: int) -> bytes:
    """Return the frames of a clip as a WebP picture, one row for two frames.

    Parameters
    ----------
    frames : ndarray of float16, shape=(n_frames, n_mels)
        At least two frames.
    quality : int
        That of WebP, 0 to 100.
    """
    pairs = frames[: len(frames) // 2 * 2].astype(np.float32).reshape(-1, 2, frames.shape[1]).mean(axis=1)
    highest = max(float(pairs.max()), 1e-6)
    levels = np.round(np.clip(pairs, 0.0, None) * (_LEVELS / highest)).astype(np.uint8)
    packed = io.BytesIO()
    packed.write(np.float32(highest).tobytes())
    Image.fromarray(levels).save(packed, "WEBP", quality=quality, method=_METHOD)
    return packed.getvalue()


def decode(packed: bytes) -> NDArray[np.float16]:
    """Return the frames of a picture of `encode`, at the original frame rate.

    Returns
    -------
    ndarray of float16, shape=(n_frames, n_mels)
        An even number of frames.
    """
    highest = float(np.frombuffer(packed[:4], np.float32)[0])
    levels = np.asarray(Image.open(io.BytesIO(packed[4:])).convert("L"), np.float32)
    pairs = levels * (highest / _LEVELS)
    # A pair is the value at its middle: its frames lie a quarter of a pair before and after it.
    before = np.concatenate([pairs[:1], pairs[:-1]])
    after = np.concatenate([pairs[1:], pairs[-1:]])
    frames = np.stack([0.75 * pairs + 0.25 * before, 0.75 * pairs + 0.25 * after], axis=1)
    return frames.reshape(-1, pairs.shape[1]).astype(np.float16)


def pack(data: Path, packed: Path, *, seconds: float, composed: float, quality: int, part: float) -> None:
    """Pack all stores of a data folder, see the head of this file.

    Raises
    ------
    DataError
        If there are no stores, or `packed` holds files already.
    """
    names = sorted(path.parent.name for path in data.glob("*/clips.jsonl"))
    if not names:
        raise DataError(f"{data}: holds no feature stores")
    packed.mkdir(parents=True, exist_ok=True)
    if any(packed.iterdir()):
        raise DataError(f"{packed}: is not empty")
    number, file, size = 0, None, 0
    error, power, n_clips = 0.0, 0.0, 0
    for name, store in open_stores(data, names).items():
        for clip in store.clips:
            length = round((composed if clip.bpm else seconds) * store.front_end.frame_rate)
            frames = store.frames_of(clip)[: min(clip.length, length) // 2 * 2]
            if len(frames) < 2:
                continue
            picture = encode(frames, quality)
            if file is None or size + len(picture) > part * 1e6:
                if file is not None:
                    file.close()
                file = zipfile.ZipFile(packed / f"part-{number}.zip", "w")
                number, size = number + 1, 0
            record = replace(clip, start=0, length=len(frames)).record()
            listed = {"store": name, "front_end": store.front_end.to_json(), "clip": record}
            file.writestr(f"{n_clips:06d}.json", json.dumps(listed), zipfile.ZIP_DEFLATED)
            file.writestr(f"{n_clips:06d}.webp", picture)
            size += len(picture)
            if n_clips % 50 == 0:
                values = frames.astype(np.float32)
                error += float(np.square(decode(picture).astype(np.float32) - values).mean())
                power += float(values.var())
            n_clips += 1
    if file is not None:
        file.close()
    print(f"{n_clips} clips, difference {np.sqrt(error / power):.3f} of the deviation", file=sys.stderr)


def unpack(packed: Path, data: Path, jobs: int) -> None:
    """Write what packed files hold into stores.

    Raises
    ------
    DataError
        If there are no packed files, or one is damaged.
    """
    files = sorted(packed.glob("part-*.zip"))
    if not files:
        raise DataError(f"{packed}: holds no packed stores")
    writers: dict[str, StoreWriter] = {}
    with ExitStack() as stack, ProcessPoolExecutor(jobs) as pool:
        for listed, frames in pool.map(_decoded, _pictures(files), chunksize=16):
            name, clip = listed["store"], listed["clip"]
            if name not in writers:
                writer = StoreWriter(data / name, FrontEnd.from_json(listed["front_end"]))
                writers[name] = stack.enter_context(writer)
            if clip["name"] not in writers[name].names:
                labels = {key: value for key, value in clip.items() if key not in {"start", "length"}}
                writers[name].add(labels.pop("name"), frames.astype(np.float32), **labels)


def _pictures(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        try:
            with zipfile.ZipFile(path) as file:
                for name in file.namelist():
                    if name.endswith(".json"):
                        yield file.read(name).decode(), file.read(f"{name.removesuffix('.json')}.webp")
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise DataError(f"{path}: damaged ({error})") from error


def _decoded(item: tuple[str, bytes]) -> tuple[dict[str, Any], NDArray[np.float16]]:
    return json.loads(item[0]), decode(item[1])


def main() -> int:
    """Pack or unpack stores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--composed-seconds", type=float, default=24.0)
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--part", type=float, default=38.0, help="megabytes of a file")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    try:
        if options.action == "unpack":
            unpack(options.source, options.target, options.jobs)
        else:
            pack(
                options.source,
                options.target,
                seconds=options.seconds,
                composed=options.composed_seconds,
                quality=options.quality,
                part=options.part,
            )
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
