"""Audio in: what is read right. What is refused is in test_failures.py."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pytest
import soundfile
import soxr
from hostile import encode_av

from tempocli.audio import load_audio, open_audio, stream_audio
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 22050


def tone(sample_rate: int, duration: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2.0 * np.pi * frequency * np.arange(round(duration * sample_rate)) / sample_rate)


def frequency_of(samples: np.ndarray, sample_rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(np.argmax(spectrum)) * sample_rate / (8 * len(samples))


def assert_is_tone(samples: np.ndarray, duration: float, *, slack: float = 0.0) -> None:
    """Assert that `samples`, at RATE, are `tone` of this duration, up to what a codec adds at its ends."""
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(duration, abs=slack + 2 / RATE)
    assert frequency_of(samples, RATE) == pytest.approx(440.0, abs=0.5)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(2.0 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.02)


def write_in_blocks(path: Path, samples: np.ndarray, sample_rate: int, **options: str) -> None:
    # libsndfile's Vorbis encoder overflows the stack on one long write.
    with soundfile.SoundFile(path, "w", sample_rate, samples.shape[1], **options) as sound:
        for start in range(0, len(samples), 4096):
            sound.write(samples[start : start + 4096])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "subtype", "slack"),
    [
        ("a.wav", "WAV", "PCM_U8", 0),
        ("a.wav", "WAV", "PCM_16", 0),
        ("a.wav", "WAV", "PCM_24", 0),
        ("a.wav", "WAV", "PCM_32", 0),
        ("a.wav", "WAV", "FLOAT", 0),
        ("a.wav", "WAV", "DOUBLE", 0),
        ("a.wav", "RF64", "PCM_16", 0),
        ("a.flac", "FLAC", "PCM_16", 0),
        ("a.flac", "FLAC", "PCM_24", 0),
        ("a.mp3", "MP3", "MPEG_LAYER_III", 0.1),
        ("a.ogg", "OGG", "VORBIS", 0.1),
        ("a.opus", "OGG", "OPUS", 0.1),
        ("a.aiff", "AIFF", "PCM_16", 0),
        ("a.aiff", "AIFF", "FLOAT", 0),
        ("a.caf", "CAF", "PCM_16", 0),
        ("a.caf", "CAF", "ALAC_16", 0.2),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_reads_formats_of_libsndfile(
    tmp_path: Path, name: str, kind: str, subtype: str, slack: float, channels: int
) -> None:
    sample_rate = 48000
    samples = np.tile(tone(sample_rate, 3.0)[:, np.newaxis], (1, channels))
    write_in_blocks(tmp_path / name, samples, sample_rate, format=kind, subtype=subtype)
    with open_audio(tmp_path / name) as opened:
        assert (opened.sample_rate, opened.channels) == (sample_rate, channels)
        assert opened.name == str(tmp_path / name)
    assert_is_tone(load_audio(tmp_path / name, sample_rate=RATE), 3.0, slack=slack)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.m4a", "mp4", "aac"),
        ("alac.m4a", "mp4", "alac"),
        ("a.aac", "adts", "aac"),
        ("a.wma", "asf", "wmav2"),
        ("a.mp4", "mp4", "aac"),
        ("a.webm", "webm", "libopus"),
        ("u8.avi", "avi", "pcm_u8"),
        ("f64.mov", "mov", "pcm_f64le"),
    ],
)
def test_reads_formats_of_ffmpeg(tmp_path: Path, name: str, container: str, codec: str) -> None:
    pytest.importorskip("av")
    samples = np.tile(tone(48000, 3.0)[:, np.newaxis].astype(np.float32), (1, 2))
    (tmp_path / name).write_bytes(encode_av(samples, 48000, container, codec))
    with open_audio(str(tmp_path / name)) as opened:
        assert (opened.sample_rate, opened.channels) == (48000, 2)
    assert_is_tone(load_audio(tmp_path / name, sample_rate=RATE), 3.0, slack=0.1)


@pytest.mark.slow
def test_eight_channels_by_ffmpeg(tmp_path: Path) -> None:
    """A plain loop over PyAV's arrays of this file crashes the interpreter."""
    pytest.importorskip("av")
    samples = np.zeros((3 * 48000, 8), np.float32)
    samples[:, 0] = samples[:, 6] = 2.0 * tone(48000, 3.0)
    (tmp_path / "a.m4a").write_bytes(encode_av(samples / 2.0, 48000, "mp4", "aac"))
    mono = load_audio(tmp_path / "a.m4a", sample_rate=RATE)
    assert_is_tone(4.0 * mono, 3.0, slack=0.1)


@pytest.mark.parametrize(
    "sample_rate", [4000, 8000, 11025, 16000, 22050, 44100, 44101, 96000, 192000, 352800, 384000]
)
def test_any_sample_rate(tmp_path: Path, sample_rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(sample_rate, 2.0), sample_rate, subtype="FLOAT")
    assert_is_tone(load_audio(tmp_path / "a.wav", sample_rate=RATE), 2.0)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 6, 40])
def test_mono_is_the_mean_of_the_channels(tmp_path: Path, channels: int, subtype: str) -> None:
    samples = np.random.default_rng(channels).uniform(-1.0, 1.0, (300_000 // channels, channels))
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype=subtype)
    stored, _ = soundfile.read(tmp_path / "a.wav", always_2d=True)
    mono = load_audio(tmp_path / "a.wav", sample_rate=RATE)
    np.testing.assert_allclose(mono, stored.mean(axis=1), atol=1e-6)


def test_stream_equals_one_resampling_of_the_whole(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 500_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    blocks = list(stream_audio(tmp_path / "a.wav", sample_rate=RATE))
    assert len(blocks) > 3
    assert all(len(block) for block in blocks)
    np.testing.assert_allclose(np.concatenate(blocks), soxr.resample(samples, 44100, RATE), atol=1e-6)


def test_blocks_are_the_callers_own(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 500_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with open_audio(tmp_path / "a.wav") as opened:
        blocks = list(opened.blocks())
    assert not any(np.shares_memory(a, b) for a, b in pairwise(blocks))
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "duration"), [(1, 3600), (2, 3600), (1024, 1)])
def test_memory_is_bounded(tmp_path: Path, channels: int, duration: int) -> None:
    """One hour is decoded in the memory of a few seconds, and many channels need no more than one."""
    soundfile.write(tmp_path / "a.wav", np.zeros((0, channels)), 8000, subtype="PCM_16")
    n_frames = duration * 8000
    n_bytes = n_frames * channels * 2
    header = len((tmp_path / "a.wav").read_bytes())
    with (tmp_path / "a.wav").open("r+b") as file:
        file.seek(header - 4)
        file.write(n_bytes.to_bytes(4, "little"))
        file.truncate(header + n_bytes)  # a hole
    tracemalloc.start()
    try:
        lengths = [len(block) for block in stream_audio(tmp_path / "a.wav", sample_rate=8000)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(lengths) == n_frames
    assert max(lengths) * channels <= 1 << 17
    assert peak < 4e6


def test_standard_input_that_cannot_seek(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(44100, 3.0), 44100)
    read_end, write_end = os.pipe()

    def feed() -> None:
        with open(write_end, "wb") as pipe:
            pipe.write((tmp_path / "a.wav").read_bytes())

    threading.Thread(target=feed).start()
    with open(read_end, "rb") as pipe:
        assert not pipe.seekable()
        from_pipe = load_audio(pipe, sample_rate=RATE)
        assert not pipe.closed
    np.testing.assert_array_equal(from_pipe, load_audio(tmp_path / "a.wav", sample_rate=RATE))


def test_tags_in_any_encoding_are_no_error(tmp_path: Path) -> None:
    pytest.importorskip("av")
    content = encode_av(np.zeros((RATE, 2), np.float32), RATE, "mp4", "aac", title="LATIN")
    assert content.count(b"LATIN") == 1
    (tmp_path / "a.m4a").write_bytes(content.replace(b"LATIN", b"\xc4\xff\xfe\xe4\x80"))
    assert load_audio(tmp_path / "a.m4a", sample_rate=RATE).size >= RATE


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda path: io.BytesIO(path.read_bytes()), lambda path: path.open("rb")])
@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_other_streams(tmp_path: Path, make: object, name: str) -> None:
    path = tmp_path / name
    if name == "a.wav":
        soundfile.write(path, tone(44100, 3.0), 44100)
    else:
        pytest.importorskip("av")
        samples = np.tile(tone(48000, 3.0)[:, np.newaxis].astype(np.float32), (1, 2))
        path.write_bytes(encode_av(samples, 48000, "mp4", "aac"))
    with make(path) as stream:
        np.testing.assert_array_equal(
            load_audio(stream, sample_rate=RATE), load_audio(path, sample_rate=RATE)
        )
        assert not stream.closed


@pytest.mark.parametrize("opened", [gzip.open, bz2.open])
def test_a_stream_that_decompresses(tmp_path: Path, opened: Callable[..., BinaryIO]) -> None:
    """Its descriptor is the compressed file's, which holds no audio."""
    soundfile.write(tmp_path / "a.wav", tone(44100, 3.0), 44100)
    with opened(tmp_path / "packed", "wb") as packed:
        packed.write((tmp_path / "a.wav").read_bytes())
    with opened(tmp_path / "packed", "rb") as stream:
        np.testing.assert_array_equal(
            load_audio(stream, sample_rate=RATE), load_audio(tmp_path / "a.wav", sample_rate=RATE)
        )


@pytest.mark.slow
def test_threads_get_what_one_thread_gets(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.wav", "a.flac", "a.ogg", "a.mp3")]
    for path in paths:
        write_in_blocks(path, np.tile(tone(44100, 3.0)[:, np.newaxis], (1, 2)), 44100)
    alone = [load_audio(path, sample_rate=RATE) for path in paths]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda path: load_audio(path, sample_rate=RATE), 4 * paths))
    for i, samples in enumerate(together):
        np.testing.assert_array_equal(samples, alone[i % len(paths)])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_files_are_closed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(300_000), RATE)
    (tmp_path / "text.wav").write_text("no music")
    before = len(os.listdir("/proc/self/fd"))
    next(iter(stream_audio(tmp_path / "a.wav", sample_rate=44100)))  # and no further
    for source in (tmp_path / "text.wav", io.BytesIO(b"no music")):
        with pytest.raises(AudioError):
            open_audio(source)
    assert len(os.listdir("/proc/self/fd")) == before


def test_name_with_any_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\n\xe2\x80\xa8.mp3"
    try:
        Path(os.fsdecode(path)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system does not allow such names")
    write_in_blocks(tmp_path / "a.mp3", tone(44100, 3.0)[:, np.newaxis], 44100)
    os.replace(tmp_path / "a.mp3", path)
    with open_audio(os.fsdecode(path)) as opened:
        assert opened.name == f"{tmp_path}/\\udcff\\n\\u2028.mp3"
    assert_is_tone(load_audio(os.fsdecode(path), sample_rate=RATE), 3.0, slack=0.1)


def test_truncated_flac_is_read_up_to_the_last_whole_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (10 * RATE, 2))
    soundfile.write(tmp_path / "a.flac", noise, RATE)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING):
        samples = load_audio(tmp_path / "a.flac", sample_rate=RATE)
    assert 4.5 * RATE < len(samples) <= 5 * RATE
    np.testing.assert_allclose(samples, noise.mean(axis=1)[: len(samples)], atol=1e-4)
    assert "a.flac: damaged after 4." in caplog.text


@pytest.mark.parametrize("audio_format", ["wav", "aiff", "au"])
def test_half_a_file_of_plain_samples_is_said_to_be_damaged(
    audio_format: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"a.{audio_format}"
    soundfile.write(path, tone(RATE, 10.0), RATE)
    load_audio(path, sample_rate=RATE)
    assert not caplog.records
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert len(load_audio(path, sample_rate=RATE)) == pytest.approx(5 * RATE, rel=0.01)
    assert "damaged after 5.0 s: the file ends before its samples do" in caplog.text


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_is_not_damaged(
    size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As ffmpeg and sox write it where they cannot go back: with no size to speak of."""
    soundfile.write(tmp_path / "a.wav", tone(RATE, 3.0), RATE)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = size.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    assert len(load_audio(tmp_path / "a.wav", sample_rate=RATE)) == 3 * RATE
    assert not caplog.records


def test_mp3_is_found_behind_junk(tmp_path: Path) -> None:
    """As in a recording of a stream, cut anywhere: libsndfile alone does it, and only for this name."""
    write_in_blocks(tmp_path / "a.mp3", tone(44100, 3.0)[:, np.newaxis], 44100)
    data = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "zeros.mp3").write_bytes(bytes(5000) + data)
    (tmp_path / "cut.mp3").write_bytes(data[1001:])
    assert_is_tone(load_audio(tmp_path / "zeros.mp3", sample_rate=RATE), 3.0, slack=0.1)
    assert_is_tone(load_audio(tmp_path / "cut.mp3", sample_rate=RATE), 3.0, slack=0.3)


def test_resource_forks_of_a_mac_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a shared disk every file has a `._` sibling, which libsndfile takes for a part of it."""
    write_in_blocks(tmp_path / "a.mp3", tone(44100, 3.0)[:, np.newaxis], 44100)
    (tmp_path / "._a.mp3").write_bytes(bytes(4096))
    monkeypatch.chdir(tmp_path)
    assert_is_tone(load_audio("a.mp3", sample_rate=RATE), 3.0, slack=0.1)


def test_header_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(44100, 3.0), 44100)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # what a program writes that cannot seek back
    (tmp_path / "a.wav").write_bytes(data)
    assert_is_tone(load_audio(tmp_path / "a.wav", sample_rate=RATE), 3.0)


def test_extension_does_not_matter(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(44100, 3.0), 44100)
    for name in ("a.mp3", "a.raw", "a.vox", "a.m4a", "a"):
        os.replace(tmp_path / "a.wav", tmp_path / name)
        assert_is_tone(load_audio(tmp_path / name, sample_rate=RATE), 3.0)
        os.replace(tmp_path / name, tmp_path / "a.wav")


@pytest.mark.slow
def test_dev_recordings_decode(shared_data: Path) -> None:
    for path in sorted((shared_data / "dev").glob("*.ogg"))[:3]:
        info = soundfile.info(path)
        samples = load_audio(path, sample_rate=RATE)
        assert len(samples) / RATE == pytest.approx(info.duration, abs=0.01)
        assert 0.01 < np.abs(samples).max() < 2.0
