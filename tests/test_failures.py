"""What is broken, or no audio at all, is refused in one line or read as far as it goes; no crash, no hang."""

from __future__ import annotations

import csv
import faulthandler
import io
import os
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hostile import broken_inputs

from tempocli.audio import load_audio, open_audio, stream_audio
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RATE = 22050
N_BROKEN = 200


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return broken_inputs(tmp_path_factory.mktemp("broken"), count=N_BROKEN)


@contextmanager
def no_hang(seconds: float) -> Iterator[None]:
    """Fail when the block takes more CPU time, and end the whole run, with a traceback, when it never ends.

    By the clock on the wall a busy machine takes any time.
    """
    # An alarm would not interrupt a decoder that never returns to Python.
    faulthandler.dump_traceback_later(60 * seconds, exit=True, file=sys.__stderr__)
    start = time.process_time()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.process_time() - start < seconds


def refusal(source: object) -> str:
    """Return the reason for which `source` is refused."""
    with no_hang(5), pytest.raises(AudioError) as caught:
        load_audio(source, sample_rate=RATE)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value) == f"{caught.value.name}: {caught.value.reason}"
    return caught.value.reason


# 200 broken files


@pytest.mark.slow
def test_broken_inputs_are_many_and_always_the_same(broken: list[Path], tmp_path: Path) -> None:
    assert len({path.name for path in broken}) == N_BROKEN
    assert len({path.suffix for path in broken}) == 8
    again = broken_inputs(tmp_path, count=N_BROKEN)
    assert [path.name for path in again] == [path.name for path in broken]
    # The serial numbers of Ogg streams are drawn anew each time.
    differ = [a.name for a, b in zip(broken, again, strict=True) if a.read_bytes() != b.read_bytes()]
    assert [name for name in differ if "ogg" not in name and "opus" not in name] == []


@pytest.mark.slow
@pytest.mark.parametrize("index", range(N_BROKEN))
def test_broken_input_is_refused_or_read(broken: list[Path], index: int) -> None:
    error = None
    with no_hang(5):
        try:
            for block in stream_audio(broken[index], sample_rate=RATE):
                assert block.dtype == np.float32
                assert len(block)
                assert np.isfinite(block).all()
        except AudioError as refused:
            error = refused
    if error is not None:
        assert error.name == str(broken[index])
        assert error.reason
        assert len(str(error).splitlines()) == 1


@pytest.mark.slow
def test_some_broken_inputs_are_read_and_some_refused(broken: list[Path]) -> None:
    """Or the test above would pass for a reader that refuses everything."""
    n_read = 0
    for path in broken:
        try:
            n_read += len(load_audio(path, sample_rate=RATE)) > RATE
        except AudioError:
            continue
    assert 0.3 * N_BROKEN < n_read < 0.7 * N_BROKEN


@pytest.mark.slow
@pytest.mark.usefixtures("model_path")
def test_broken_inputs_through_the_command(broken: list[Path]) -> None:
    from click.testing import CliRunner

    from tempocli.cli import cli

    with no_hang(60):
        result = CliRunner().invoke(cli, ["estimate", str(broken[0].parent), "--format", "csv"])
    assert "Traceback" not in result.output
    assert "please report" not in result.output
    assert result.exit_code == 3
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["path"] for row in rows] == [str(path) for path in broken]
    # A number, or audio without a tempo and why, or an input that failed and why.
    outcomes = [[column for column in ("bpm", "reason", "error") if row[column]] for row in rows]
    assert all(len(outcome) == 1 for outcome in outcomes)
    assert outcomes.count(["bpm"]) > 0.2 * N_BROKEN
    assert outcomes.count(["error"]) > 0.2 * N_BROKEN


# What is not a readable file


def test_missing(tmp_path: Path) -> None:
    assert refusal(tmp_path / "missing.wav") == "No such file or directory"
    assert refusal("") == "No such file or directory"
    assert "null" in refusal("a\0b.wav")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert refusal(tmp_path / "empty.wav") == "is empty"
    assert refusal(io.BytesIO()) == "is empty"


def test_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a directory"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    assert refusal(tmp_path / "fifo.wav") == "not a regular file (FIFO)"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in files here")
def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.wav")
        assert refusal("socket.wav") == "not a regular file (socket)"


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="no devices here")
def test_device() -> None:
    assert refusal("/dev/zero") == "not a regular file (device)"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    (tmp_path / "secret.wav").chmod(0)
    assert refusal(tmp_path / "secret.wav") == "Permission denied"


def test_unreadable_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    monkeypatch.setattr("tempocli.audio.inputs.FileIO", refuse)
    assert refusal(tmp_path / "secret.wav") == "Permission denied"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("b.wav")
    (tmp_path / "b.wav").symlink_to("a.wav")
    assert "links" in refusal(tmp_path / "a.wav")


def test_name_of_several_lines(tmp_path: Path) -> None:
    path = f"{tmp_path}/one\ntwo\r\udcff\u2028.wav"
    assert refusal(path) == "No such file or directory"


def test_terminal() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    assert refusal(Terminal(b"RIFF")) == "is a terminal, not audio"


def test_stream_that_is_closed_or_write_only(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as stream:
        stream.write(b"RIFF")
        stream.flush()
        assert refusal(stream)
    assert "closed" in refusal(stream)


def test_standard_input_is_named_by_a_hyphen() -> None:
    with pytest.raises(AudioError, match=r"^-: "):
        open_audio(io.BytesIO(b"This is not music."))


# What is a file, but not audio


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["text.mp3", "text.wav", "text.m4a", "text.raw", "text.vox", "text.gsm", "text"]
)
def test_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is not music, whatever its name says.\n" * 10_000)
    reason = refusal(tmp_path / name)
    assert reason.split(";")[0] in {"format not recognised", "no frame of it can be decoded"}


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "song.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(1000))
    monkeypatch.setitem(sys.modules, "av", None)
    reason = refusal(tmp_path / "song.m4a")
    assert "format not recognised" in reason
    assert "pip install 'tempo-estimate[av]'" in reason


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile 'real.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nreal.wav\n#EXT-X-ENDLIST\n",
    ],
)
@pytest.mark.parametrize("name", ["list.mp3", "list.m3u8", "list.ffconcat"])
def test_playlist_opens_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    """FFmpeg would follow it, to any address it names."""
    pytest.importorskip("av")
    soundfile.write(tmp_path / "real.wav", np.zeros(3 * RATE), RATE)
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    assert refusal(name) == "format not recognised"


def test_video_without_sound(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(tmp_path / "silent.mp4", "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for _ in range(25):
            output.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(stream.encode(None))
    assert "no audio stream" in refusal(tmp_path / "silent.mp4")


def test_midi_sample_dump_is_not_even_tried(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libsndfile would print about this one on stdout."""
    soundfile.write(tmp_path / "a.sds", np.zeros(20_000), 16000, format="SDS", subtype="PCM_16")
    data = bytearray((tmp_path / "a.sds").read_bytes())
    data[200:3000] = bytes(2800)
    (tmp_path / "a.sds").write_bytes(data)
    assert "MIDI sample dump" in refusal(tmp_path / "a.sds")
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_long_garbage_ends(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(30_000_000)
    for name, head in (("a.mp3", b"\xff\xfb\x90\x00"), ("a.aac", b"\xff\xf1\x50\x80"), ("a.ogg", b"OggS")):
        (tmp_path / name).write_bytes(head + noise)
        with no_hang(5):
            try:  # a few of its bytes may look like a frame
                assert len(load_audio(tmp_path / name, sample_rate=RATE)) < 0.1 * RATE
            except AudioError:
                continue


# What is audio, but not usable


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("values", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_nan_or_inf_samples(tmp_path: Path, values: list[float], channels: int) -> None:
    samples = np.zeros((10 * RATE, channels), np.float32)
    samples[-1, :] = (values * 2)[:channels]  # even if there is but one, at the end
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    assert refusal(tmp_path / "a.wav") == "NaN or Inf samples"


def test_samples_that_would_overflow(tmp_path: Path) -> None:
    samples = np.zeros(RATE, np.float32)
    samples[100] = -1e30
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    assert refusal(tmp_path / "a.wav") == "samples of 1e+30 times full scale"


def test_float_samples_beyond_full_scale_are_read(tmp_path: Path) -> None:
    samples = np.linspace(-32768.0, 32767.0, RATE, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav", sample_rate=RATE), samples)


@pytest.mark.parametrize("sample_rate", [1, 3999, 384_001, 2_000_000_000])
def test_absurd_sample_rate(tmp_path: Path, sample_rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), sample_rate)
    assert refusal(tmp_path / "a.wav") == f"sample rate {sample_rate} Hz is not in 4000 to 384000 Hz"


def patched_wav(path: Path, position: int, value: bytes) -> Path:
    soundfile.write(path, np.zeros(1000), RATE)
    data = bytearray(path.read_bytes())
    data[position : position + len(value)] = value
    path.write_bytes(data)
    return path


def test_no_channels(tmp_path: Path) -> None:
    assert refusal(patched_wav(tmp_path / "a.wav", 22, bytes(2))) == "damaged: it has no channels"


def test_sample_rate_zero(tmp_path: Path) -> None:
    assert refusal(patched_wav(tmp_path / "a.wav", 24, bytes(4))).startswith("damaged: ")


def test_header_without_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    assert refusal(tmp_path / "a.wav") == "holds no samples"


@pytest.mark.parametrize(
    ("kind", "size"), [("WAV", 20), ("FLAC", 80), ("MP3", 60), ("OGG", 100), ("AIFF", 20)]
)
def test_truncated_before_the_first_sample(
    tmp_path: Path, kind: str, size: int, click_track: Callable[..., np.ndarray]
) -> None:
    soundfile.write(tmp_path / "a", click_track(120.0, 2.0, RATE), RATE, format=kind)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:size])
    refusal(tmp_path / "a")
