"""Music of a known tempo in every container: what the fuzzed files are made from.

It needs nothing of `tempocli`, so that two versions meet the same files.
"""

from __future__ import annotations

import io
import random
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

SECONDS = 12.0
SAMPLE_RATE = 22050
PIECES = {
    126.0: {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "..x...x...x...x."},
    96.0: {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    140.0: {"kick": "x.........x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
}

# Name: extension, container, settings of ffmpeg.
_FFMPEG = {
    "wav_16": ("wav", "riff", "-c:a pcm_s16le -metadata title=Song"),
    "wav_24": ("wav", "riff", "-c:a pcm_s24le"),
    "wav_float": ("wav", "riff", "-c:a pcm_f32le"),
    "wav_ms_adpcm": ("wav", "riff", "-c:a adpcm_ms"),
    "wav_ima_adpcm": ("wav", "riff", "-c:a adpcm_ima_wav"),
    "wav_gsm": ("wav", "riff", "-c:a libgsm_ms -ar 8000 -ac 1"),
    "wav_mp3": ("wav", "riff", "-c:a libmp3lame"),
    "rf64": ("rf64", "riff", "-c:a pcm_s16le -rf64 always -f wav"),
    "w64": ("w64", "w64", "-c:a pcm_s16le"),
    "aiff": ("aiff", "iff", "-c:a pcm_s16be"),
    "aifc_float": ("aifc", "iff", "-c:a pcm_f32be -f aiff"),
    "aifc_ima": ("aifc", "iff", "-c:a adpcm_ima_qt -f aiff"),
    "au": ("au", "au", "-c:a pcm_s16be"),
    "caf": ("caf", "caf", "-c:a pcm_s16be"),
    "caf_alac": ("caf", "caf", "-c:a alac"),
    "flac": ("flac", "flac", "-c:a flac"),
    "ogg_vorbis": ("ogg", "ogg", "-c:a libvorbis"),
    "ogg_opus": ("opus", "ogg", "-c:a libopus -ar 48000"),
    "ogg_flac": ("oga", "ogg", "-c:a flac"),
    "ogg_speex": ("spx", "ogg", "-c:a libspeex -ar 16000 -ac 1"),
    "mp3": ("mp3", "mpeg", "-c:a libmp3lame -id3v2_version 3 -metadata title=Song"),
    "mp2": ("mp2", "mpeg", "-c:a mp2"),
    "aac": ("aac", "adts", "-c:a aac"),
    "m4a_aac": ("m4a", "mp4", "-c:a aac"),
    "m4a_alac": ("m4a", "mp4", "-c:a alac"),
    "m4a_fragments": ("m4a", "mp4", "-c:a aac -movflags frag_keyframe+empty_moov -f mp4"),
    "mov_pcm": ("mov", "mp4", "-c:a pcm_s16le"),
    "mp4_opus": ("mp4", "mp4", "-c:a libopus -ar 48000"),
    "mp4_film": ("mp4", "mp4", "-c:a aac -c:v mpeg4"),
    "mka_flac": ("mka", "ebml", "-c:a flac"),
    "mkv_ac3": ("mkv", "ebml", "-c:a ac3 -ar 44100"),
    "mkv_film": ("mkv", "ebml", "-c:a aac -c:v mpeg4"),
    "webm_opus": ("webm", "ebml", "-c:a libopus -ar 48000"),
    "webm_vorbis": ("webm", "ebml", "-c:a libvorbis"),
    "avi_mp3": ("avi", "riff", "-c:a libmp3lame"),
    "avi_film": ("avi", "riff", "-c:a pcm_s16le -c:v mpeg4"),
    "flv_mp3": ("flv", "flv", "-c:a libmp3lame"),
    "flv_aac": ("flv", "flv", "-c:a aac"),
    "wma_2": ("wma", "asf", "-c:a wmav2"),
    "wma_1": ("wma", "asf", "-c:a wmav1"),
    "wavpack": ("wv", "wavpack", "-c:a wavpack"),
    "tta": ("tta", "tta", "-c:a tta"),
    "ac3": ("ac3", "ac3", "-c:a ac3 -ar 44100"),
    "eac3": ("eac3", "ac3", "-c:a eac3 -ar 44100"),
    "ts_mp2": ("ts", "ts", "-c:a mp2 -f mpegts"),
    "ts_aac": ("ts", "ts", "-c:a aac -f mpegts"),
    "3gp_aac": ("3gp", "mp4", "-c:a aac -ac 1"),
    "voc": ("voc", "voc", "-c:a pcm_u8"),
}
# Name: extension, container, what soundfile calls format, encoding and byte order.
_SOUNDFILE = {
    "svx": ("iff", "iff", "SVX", "PCM_16", "FILE"),
    "voc_16": ("voc", "voc", "VOC", "PCM_16", "FILE"),
    "rifx": ("wav", "rifx", "WAV", "PCM_16", "BIG"),
    "wavex": ("wav", "riff", "WAVEX", "PCM_24", "FILE"),
    "ircam": ("sf", "ircam", "IRCAM", "PCM_16", "LITTLE"),
    "nist": ("sph", "words", "NIST", "PCM_16", "FILE"),
    "paf": ("paf", "paf", "PAF", "PCM_16", "FILE"),
    "pvf": ("pvf", "words", "PVF", "PCM_16", "FILE"),
    "mat5": ("mat", "words", "MAT5", "PCM_16", "FILE"),
    "avr": ("avr", "avr", "AVR", "PCM_16", "FILE"),
    "htk": ("htk", "htk", "HTK", "PCM_16", "FILE"),
    "xi": ("xi", "words", "XI", "DPCM_16", "FILE"),
    "mpc2k": ("snd", "mpc2k", "MPC2K", "PCM_16", "FILE"),
}
_MONO = {"svx", "htk", "xi"}
_HOLLOW_BYTES = 60_000
_MAT5_TEXT = 124


class SeedError(Exception):
    """The seeds cannot be made."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A sound file.

    Attributes
    ----------
    name : str
        Which one.
    extension : str
        Without a dot.
    container : str
        Key of `fuzzing.containers.CONTAINERS`.
    bpm : float or None
        Its tempo; ``None`` for a header with noise behind it, where no encoder is to be had.
    data : bytes
        The file.
    """

    name: str
    extension: str
    container: str
    bpm: float | None
    data: bytes


def make_seeds(names: Collection[str] | None = None) -> list[Seed]:
    """Encode music in every container.

    Parameters
    ----------
    names : collection of str, optional
        Seeds that are wanted; all by default.

    Raises
    ------
    SeedError
        If ffmpeg is missing or lacks an encoder, or there is no seed of that name.
    """
    known = [*_FFMPEG, *_SOUNDFILE]
    hollow = _hollow()
    unknown = set(names or ()) - {*known, *(each.name for each in hollow)}
    if unknown:
        raise SeedError(f"there is no seed {', '.join(sorted(unknown))}")
    seeds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = list(PIECES)
        for number, key in enumerate(known):
            if names and key not in names:
                continue
            bpm = pieces[number % len(pieces)]
            samples = play(bpm, stereo=number % 2 == 0 and key not in _MONO)
            if key in _FFMPEG:
                extension, container, settings = _FFMPEG[key]
                data = _encode(samples, folder / f"{key}.{extension}", settings.split())
            else:
                extension, container, *how = _SOUNDFILE[key]
                data = _write(samples, folder / f"{key}.{extension}", *how)
            seeds.append(Seed(key, extension, container, bpm, data))
    return seeds + [each for each in hollow if not names or each.name in names]


def play(bpm: float, *, stereo: bool) -> NDArray[np.float32]:
    """Play drums and a bass, shape=(n_samples, channels)."""
    rng = np.random.default_rng(round(bpm))
    length = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = rng.normal(0.0, 1.0, len(length))
    bass = np.exp(-length / 0.15) * sum(np.sin(2 * np.pi * 55.0 * k * length) / k for k in range(1, 5))
    thump = np.sin(2 * np.pi * (50.0 * length + 4.0 * (1.0 - np.exp(-length / 0.025))))
    sounds = {
        "kick": np.exp(-length / 0.07) * thump + 0.35 * bass,
        "snare": np.exp(-length / 0.045) * (0.45 * noise + 0.4 * np.sin(2 * np.pi * 185.0 * length)),
        "hat": 0.2 * np.exp(-length / 0.018) * np.diff(noise, prepend=0.0),
    }
    mixed = np.zeros(round(SECONDS * SAMPLE_RATE))
    step = 60.0 / bpm / 4.0 * SAMPLE_RATE
    for row, marks in PIECES[bpm].items():
        for index in range(int(len(mixed) / step)):
            place = round(index * step)
            if marks[index % len(marks)] == "x":
                room = len(mixed) - place
                mixed[place : place + len(length)] += rng.uniform(0.85, 1.0) * sounds[row][:room]
    mono = (0.7 * mixed / np.abs(mixed).max()).astype(np.float32)
    return np.stack([mono, 0.8 * mono], axis=1) if stereo else mono[:, None]


def _encode(samples: NDArray[np.float32], path: Path, settings: list[str]) -> bytes:
    source = path.with_name("source.wav")
    soundfile.write(source, samples, SAMPLE_RATE)
    picture = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5", "-shortest"] if "-c:v" in settings else []
    # Nothing of the moment or of the machine: two runs are to have the same files.
    same = ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-nostdin",
        "-i",
        str(source),
        *picture,
        *settings,
        *same,
        str(path),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SeedError(f"this benchmark needs the command ffmpeg: {error.strerror}") from error
    if done.returncode:
        raise SeedError(f"ffmpeg cannot make {path.name}: {done.stderr.strip()[-300:]}")
    return path.read_bytes()


def _write(samples: NDArray[np.float32], path: Path, kind: str, subtype: str, order: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format=kind, subtype=subtype, endian=order)
    data = buffer.getvalue()
    # A text with the time in it begins the file.
    return b"MATLAB 5.0 MAT-file".ljust(_MAT5_TEXT) + data[_MAT5_TEXT:] if kind == "MAT5" else data


def _hollow() -> list[Seed]:
    """Make headers with noise behind them, for formats that ffmpeg reads and does not write."""
    noise = random.Random(5).randbytes(_HOLLOW_BYTES)
    frames = [b"\x3c" + noise[at : at + 31] for at in range(0, _HOLLOW_BYTES - 31, 31)]

    def little(*numbers: tuple[int, int]) -> bytes:
        return b"".join(value.to_bytes(size, "little") for value, size in numbers)

    n_frames, per_frame = 4, 73728
    seek = little(*((76 + 4 * n_frames + 15_000 * at, 4) for at in range(n_frames)))
    ape = b"MAC " + little(
        (3990, 2), (0, 2), (52, 4), (24, 4), (len(seek), 4), (0, 4), (_HOLLOW_BYTES, 4), (0, 4)
    )
    ape += (
        little((0, 4)) + bytes(16) + little((2000, 2), (32, 2), (per_frame, 4), (per_frame, 4), (n_frames, 4))
    )
    ape += little((16, 2), (1, 2), (SAMPLE_RATE, 4)) + seek
    mpc7 = b"MP+\x07" + little((400, 4), (0x1F << 8, 2), (0, 2)) + bytes(16)
    head = b"\x08\x84\x80\x00\x00\x4b\x18"
    mpc8 = b"MPCKSH" + bytes([3 + 4 + len(head)]) + b"\0\0\0\0" + head + b"RG\x0c\x01" + bytes(8)
    mpc8 += b"".join(b"AP\x83\x7d" + noise[at : at + 505] for at in range(0, 50_000, 505)) + b"SE\x03"
    return [
        Seed("amr", "amr", "amr", None, b"#!AMR\n" + b"".join(frames)),
        Seed("ape", "ape", "ape", None, ape + noise),
        Seed("mpc7", "mpc", "mpc", None, mpc7 + noise),
        Seed("mpc8", "mpc", "mpc8", None, mpc8),
    ]
