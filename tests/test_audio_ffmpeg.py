"""FFmpeg beside libsndfile: where that stops, which stream is read, what is dropped; and when it is asked."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from clicks import make_clicks
from hostile import encode_av
from odd_audio import by_ffmpeg, encoded, film, lag, ogg_pages, stopping_opus, two_streams

from tempocli.audio import load_audio, open_audio, stream_audio
from tempocli.audio.decoders.decoding import DecodeError
from tempocli.audio.decoders.fallback import open_ffmpeg as real_open_ffmpeg
from tempocli.audio.decoders.ffmpeg import _Joiner

RATE = 24000


def music(seconds: float, sample_rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Clicks in a little noise, so that no two places are alike."""
    noise = np.random.default_rng(seed).normal(0, 0.02, round(seconds * sample_rate))
    return (0.5 * make_clicks(126.0, seconds, sample_rate)[: len(noise)] + noise).astype(np.float32)


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().split(": ", 1)[1] for record in caplog.records]


def ffmpeg_is_asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with every file that FFmpeg opens."""
    asked: list[object] = []

    def open_ffmpeg(file: object, *rest: object) -> object:
        asked.append(file)
        return real_open_ffmpeg(file, *rest)

    monkeypatch.setattr("tempocli.audio.decoders.fallback.open_ffmpeg", open_ffmpeg)
    return asked


# Where libsndfile stops in the middle


@pytest.mark.slow
@pytest.mark.parametrize("sample_rate", [48000, 24000, 16000])
def test_opus_in_which_libsndfile_stops(
    tmp_path: Path, sample_rate: int, caplog: pytest.LogCaptureFixture
) -> None:
    """FFmpeg, which decodes to 48 kHz whatever the header says, goes on at the very sample."""
    pytest.importorskip("av")
    samples = music(20.0, sample_rate)
    (tmp_path / "whole.opus").write_bytes(encoded(samples, sample_rate, "OGG", "OPUS"))
    (tmp_path / "a.opus").write_bytes(stopping_opus(samples, sample_rate))
    whole, read = (load_audio(tmp_path / name, sample_rate=RATE) for name in ("whole.opus", "a.opus"))
    assert len(whole) == pytest.approx(20 * RATE, abs=10)
    assert abs(len(read) - len(whole)) <= 2
    assert abs(lag(read[12 * RATE :], whole[12 * RATE :], most=48)) <= 2
    assert np.corrcoef(read[: len(whole)], whole[: len(read)])[0, 1] > 0.95
    assert notes(caplog) == []


@pytest.mark.slow
def test_without_pyav_what_libsndfile_reads_is_given_and_the_extra_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.opus").write_bytes(stopping_opus(music(20.0, 48000), 48000))
    monkeypatch.setitem(sys.modules, "av", None)
    read = load_audio(tmp_path / "a.opus", sample_rate=RATE)
    assert 5 * RATE < len(read) < 15 * RATE
    (note,) = notes(caplog)
    seconds = len(read) / RATE
    assert note.startswith(f"damaged after {seconds:.1f} s: its data are broken")
    assert "pip install 'tempo-estimate[av]'" in note
    assert note.endswith(f"{20 - seconds:.1f} s of 20.0 s are missing")


def test_ogg_of_several_links(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a recording of a web radio: libsndfile reads the first one, and is content."""
    pytest.importorskip("av")
    first, second = (bytes(encoded(music(5.0, seed=seed), RATE, "OGG", "VORBIS")) for seed in (1, 2))
    (tmp_path / "a.ogg").write_bytes(first + second)
    (tmp_path / "second.ogg").write_bytes(second)
    read = load_audio(tmp_path / "a.ogg", sample_rate=RATE)
    assert len(read) == pytest.approx(10 * RATE, abs=0.05 * RATE)
    last = load_audio(tmp_path / "second.ogg", sample_rate=RATE)
    assert abs(lag(read[-4 * RATE :], last[-4 * RATE :], most=100)) <= 2
    assert notes(caplog) == []


def test_two_mp3_files_in_one(tmp_path: Path) -> None:
    """The first says how long it is, and libsndfile believes it."""
    pytest.importorskip("av")
    data = bytes(encoded(music(5.0), RATE, "MP3", None))
    (tmp_path / "a.mp3").write_bytes(data + data)
    assert len(load_audio(tmp_path / "a.mp3", sample_rate=RATE)) == pytest.approx(10 * RATE, abs=0.2 * RATE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["MP3", "FLAC"])
def test_junk_in_the_middle(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("av")
    data = bytes(encoded(music(10.0), RATE, kind, None if kind == "MP3" else "PCM_16"))
    junk = np.random.default_rng(0).bytes(8000)
    (tmp_path / "a").write_bytes(data[: len(data) // 2] + junk + data[len(data) // 2 :])
    read = load_audio(tmp_path / "a", sample_rate=RATE)
    assert 9.5 * RATE < len(read) < 10.2 * RATE
    lost = len(read) < 9.9 * RATE
    assert all(note.startswith("damaged: ") for note in notes(caplog))
    assert notes(caplog) or not lost


@pytest.mark.slow
def test_mp3_of_varying_bit_rate_without_a_count_of_frames(tmp_path: Path) -> None:
    """libsndfile guesses the length by the first frames and stops there; silence takes few bits."""
    pytest.importorskip("av")
    loud = np.random.default_rng(0).uniform(-0.9, 0.9, 10 * 44100).astype(np.float32)
    samples = np.concatenate([loud, np.zeros(20 * 44100, np.float32)])
    by_ffmpeg(tmp_path / "a.mp3", samples, 44100, "libmp3lame", {"write_xing": "0"})
    data = (tmp_path / "a.mp3").read_bytes()
    assert b"Xing" not in data
    assert b"Info" not in data
    assert len(load_audio(tmp_path / "a.mp3", sample_rate=RATE)) == pytest.approx(30 * RATE, abs=0.2 * RATE)


def test_pages_missing_in_the_middle_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No decoder can bring them back, and libsndfile does not even say so."""
    pages = ogg_pages(bytes(encoded(music(20.0), RATE, "OGG", "VORBIS")))
    del pages[len(pages) // 2 : len(pages) // 2 + 2]
    (tmp_path / "a.ogg").write_bytes(b"".join(pages))
    read = load_audio(tmp_path / "a.ogg", sample_rate=RATE)
    assert len(read) < 19.5 * RATE
    (note,) = notes(caplog)
    assert "it holds less audio than its header says" in note
    assert f"{20 - len(read) / RATE:.1f} s of 20.0 s are missing" in note


# What is healthy is not decoded twice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "IMA_ADPCM"),
        ("RF64", "PCM_24"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("CAF", "ALAC_16"),
        ("FLAC", "PCM_16"),
        ("MP3", None),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_healthy_file_is_not_even_opened_by_ffmpeg(
    tmp_path: Path,
    kind: str,
    subtype: str | None,
    channels: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = ffmpeg_is_asked(monkeypatch)
    samples = np.tile(music(12.0)[:, np.newaxis], (1, channels))
    (tmp_path / "a").write_bytes(encoded(samples, RATE, kind, subtype))
    assert len(load_audio(tmp_path / "a", sample_rate=RATE)) == pytest.approx(12 * RATE, abs=0.1 * RATE)
    assert asked == []
    assert notes(caplog) == []


def ape_tag(size: int) -> bytes:
    footer = b"APETAGEX" + (2000).to_bytes(4, "little") + (size + 32).to_bytes(4, "little") + bytes(16)
    return bytes(size) + footer


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        ("MP3", b"TAG" + bytes(125)),
        ("MP3", ape_tag(100_000)),
        ("MP3", ape_tag(100_000) + b"TAG" + bytes(125)),
        ("FLAC", b"TAG" + bytes(125)),
        ("WAV", b"id3 " + (200_000).to_bytes(4, "little") + bytes(200_000)),
        ("WAV", bytes(100_000)),
    ],
)
def test_tags_at_the_end_are_no_audio(
    tmp_path: Path,
    kind: str,
    tail: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = ffmpeg_is_asked(monkeypatch)
    data = bytes(encoded(music(5.0), RATE, kind, None if kind == "MP3" else "PCM_16"))
    (tmp_path / "plain").write_bytes(data)
    (tmp_path / "tagged").write_bytes(data + tail)
    plain, tagged = (load_audio(tmp_path / name, sample_rate=RATE) for name in ("plain", "tagged"))
    np.testing.assert_array_equal(tagged, plain)
    assert asked == []
    assert notes(caplog) == []


def test_flac_of_a_pipe_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its header does not say how many samples there are."""
    data = bytearray(encoded(music(5.0), RATE, "FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(data)
    assert len(load_audio(tmp_path / "a.flac", sample_rate=RATE)) == 5 * RATE
    assert notes(caplog) == []


def test_junk_at_the_end_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """FFmpeg is asked, and finds no audio there either."""
    pytest.importorskip("av")
    data = bytes(encoded(music(5.0), RATE, "OGG", "VORBIS"))
    (tmp_path / "a.ogg").write_bytes(data + np.random.default_rng(0).bytes(20_000))
    assert len(load_audio(tmp_path / "a.ogg", sample_rate=RATE)) == 5 * RATE
    assert notes(caplog) == []


# The stream that players choose


@pytest.mark.parametrize("default", [0, 1])
@pytest.mark.parametrize("name", ["a.mka", "a.mkv"])
def test_the_default_stream_is_read(tmp_path: Path, name: str, default: int) -> None:
    pytest.importorskip("av")
    streams = [music(5.0, seed=1), music(5.0, seed=2)]
    two_streams(tmp_path / name, streams, RATE, default=default)
    read = load_audio(tmp_path / name, sample_rate=RATE)
    np.testing.assert_allclose(read, streams[default], atol=1e-3)


def test_sound_of_a_film(tmp_path: Path) -> None:
    pytest.importorskip("av")
    film(tmp_path / "a.mkv", music(4.0), RATE)
    assert len(load_audio(tmp_path / "a.mkv", sample_rate=RATE)) == pytest.approx(4 * RATE, abs=0.1 * RATE)


# What a decoder drops


@pytest.mark.parametrize("n_damaged", [1, 3])
def test_dropped_packets_are_counted(
    tmp_path: Path, n_damaged: int, caplog: pytest.LogCaptureFixture
) -> None:
    av = pytest.importorskip("av")
    by_ffmpeg(tmp_path / "a.mka", music(10.0), RATE, "mp2")
    data = bytearray((tmp_path / "a.mka").read_bytes())
    with av.open(tmp_path / "a.mka") as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    for packet in packets[len(packets) // 2 :: 5][:n_damaged]:
        start = data.index(packet)
        data[start : start + 4] = bytes(4)  # no frame begins like this
    (tmp_path / "b.mka").write_bytes(data)
    read = load_audio(tmp_path / "b.mka", sample_rate=RATE)
    assert 7 * RATE < len(read) < 10 * RATE
    assert notes(caplog) == [f"damaged: {n_damaged} packet{'s' * (n_damaged > 1)} could not be decoded"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", {"movflags": "faststart"}),
        ("a.mka", "mp2", {}),
        ("a.flv", "aac", {}),
        ("a.tta", "tta", {}),
        ("a.wv", "wavpack", {}),
    ],
)
def test_a_file_that_ends_early_says_how_much_is_missing(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("av")
    by_ffmpeg(tmp_path / name, music(20.0), RATE, codec, options)
    load_audio(tmp_path / name, sample_rate=RATE)
    assert notes(caplog) == []
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    seconds = len(load_audio(tmp_path / name, sample_rate=RATE)) / RATE
    assert 5 < seconds < 15
    (note,) = notes(caplog)
    assert note.startswith(f"damaged after {seconds:.1f} s: ")
    assert note.endswith(" s of 20.0 s are missing")


@pytest.mark.slow
def test_a_stream_that_changes_its_channels(tmp_path: Path) -> None:
    """As broadcasts do between programmes."""
    pytest.importorskip("av")
    mono, stereo = (np.tile(music(4.0)[:, np.newaxis], (1, channels)) for channels in (1, 2))
    first = encode_av(stereo, RATE, "adts", "aac")
    by_ffmpeg(tmp_path / "mono.aac", mono[:, 0], RATE, "aac")
    (tmp_path / "a.aac").write_bytes(first + (tmp_path / "mono.aac").read_bytes())
    read = load_audio(tmp_path / "a.aac", sample_rate=RATE)
    assert len(read) == pytest.approx(8 * RATE, abs=0.3 * RATE)


@pytest.mark.parametrize(("rate", "samples"), [(24000, 2 * 48000), (96000, 48000 // 2), (1, None)])
def test_a_stream_that_changes_its_sample_rate(rate: int, samples: int | None) -> None:
    """It is resampled to the first rate; a rate that no audio has, which would fill the memory, ends it."""
    av = pytest.importorskip("av")
    joiner = _Joiner(48000)
    frames = []
    for sample_rate in (48000, rate):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="flt", layout="mono")
        frame.sample_rate = sample_rate
        frames.append(frame)
    first = sum(map(len, joiner.join(frames[0])))
    if samples is None:
        with pytest.raises(DecodeError):
            list(joiner.join(frames[1]))
        return
    rest = sum(map(len, [*joiner.join(frames[1]), *joiner.finish()]))
    assert first + rest == pytest.approx(48000 + samples, abs=50)


@pytest.mark.slow
def test_files_that_are_read_twice_are_closed(tmp_path: Path) -> None:
    fds = Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("counts descriptors in /proc")
    pytest.importorskip("av")
    (tmp_path / "a.opus").write_bytes(stopping_opus(music(20.0, 48000), 48000))
    load_audio(tmp_path / "a.opus", sample_rate=RATE)
    before = len(list(fds.iterdir()))
    blocks = stream_audio(tmp_path / "a.opus", sample_rate=48000)
    for _ in range(6):
        next(blocks)
    blocks.close()
    load_audio(tmp_path / "a.opus", sample_rate=RATE)
    assert len(list(fds.iterdir())) == before


def test_library_logs_under_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", music(4.0), RATE)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING), open_audio(tmp_path / "a.wav") as opened:
        assert sum(map(len, opened.blocks())) == pytest.approx(2 * RATE, abs=50)
    (record,) = caplog.records
    assert record.name.startswith("tempocli.audio")
    assert notes(caplog) == [
        "damaged after 2.0 s: the file ends before its samples do; 2.0 s of 4.0 s are missing"
    ]
