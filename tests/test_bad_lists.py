"""Parts that are not there and lists that name no audio or do harm: one clear line for each, and no wait."""

from __future__ import annotations

import math
import os
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import tempo

import tempocli
from tempocli.audio.files import lists
from tempocli.batch import find_inputs
from tempocli.errors import AudioError
from tempocli.estimator import Estimator
from tempocli.schema import AudioInput, Part

HEADER = 'FILE "a.wav" WAVE\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.wav").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(path: str, content: str | bytes) -> list[AudioInput]:
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(find_inputs([path]))


def refusal(path: str, content: str | bytes) -> str:
    (only,) = listed(path, content)
    assert only.path == path
    assert only.refusal is not None
    assert "\n" not in only.refusal
    return only.refusal


class TestParts:
    @pytest.mark.parametrize(
        "text",
        ["-1", "-0.5", "nan", "inf", "1e3", "", ":30", "1:", "1:60", "1:2:3:4", "1,5", "x", "٣", "9" * 10],
    )
    @pytest.mark.parametrize("option", ["--start", "--duration"])
    def test_what_is_no_time(self, music: Path, option: str, text: str) -> None:
        result = tempo("128.wav", option, text)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == (
            f"Error: Invalid value for '{option}': {text!r} is no time: "
            "give seconds, such as 90 or 90.5, or 1:30."
        )

    @pytest.mark.parametrize(
        ("args", "complaint"),
        [
            (["--duration", "0"], "duration 0 s is not above 0 and up to 1e+08 s"),
            (["--duration", "0.0000001"], "duration 1e-07 s is not above 0 and up to 1e+08 s"),
            (["--start", "999999999"], "start 1e+09 s is not in 0 to 1e+08 s"),
        ],
    )
    def test_what_is_no_part(self, music: Path, args: list[str], complaint: str) -> None:
        result = tempo("128.wav", *args)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == f"Error: --start, --duration: {complaint}."

    @pytest.mark.parametrize(
        ("start", "duration"),
        [
            (-1.0, None),
            (math.nan, None),
            (math.inf, None),
            (0.0, 0.0),
            (0.0, -1.0),
            (0.0, math.nan),
        ],
    )
    def test_from_python(self, start: float, duration: float | None) -> None:
        with pytest.raises(ValueError, match=" s is not "):
            Part(start, duration)

    def test_from_python_before_the_file_is_read(self, model_path: Path) -> None:
        with pytest.raises(ValueError, match="start -1 s is not in 0 to"):
            tempocli.estimate("missing.wav", start=-1.0, method="periodicity")

    def test_beyond_the_end(self, tmp_path: Path, model_path: Path) -> None:
        path = tmp_path / "a.wav"
        soundfile.write(path, np.zeros(3 * 8000, np.int16), 8000)
        estimator = Estimator(method="periodicity", device="cpu")
        for start in (3.0, 4.0, 1e8):
            with pytest.raises(
                AudioError, match=r"the part begins at [0-9e+]+ s, but the audio ends at 3.00 s"
            ):
                estimator.estimate(path, start=start)
        with pytest.raises(AudioError, match="a part of 1e-05 s is shorter than a sample"):
            estimator.estimate(path, start=1.00001, duration=0.00001)
        assert estimator.estimate(path, start=2.9999, duration=100.0).reason == "too short"
        assert estimator.estimate(path, start=1.0, duration=100.0).duration == pytest.approx(2.0)

    @pytest.mark.slow
    def test_beyond_the_end_is_one_line(self, tmp_path: Path, model_path: Path) -> None:
        path = tmp_path / "a.wav"
        soundfile.write(path, np.zeros(3 * 8000, np.int16), 8000)
        for more in ([], ["--timeout", "60"]):
            result = tempo(str(path), "--start", "5", "--method", "periodicity", *more)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr == (
                f"tempo: {path}, from 0:05: the part begins at 5 s, but the audio ends at 3.00 s\n"
            )


class TestEntries:
    @pytest.mark.parametrize("url", ["http://x/a.mp3", "HTTPS://x/a", "s3://b/a", "icy://x", "smb://h/a.mp3"])
    def test_urls(self, here: Path, url: str) -> None:
        expected = AudioInput(url, refusal="a URL: lists may name local files only")
        for path, text in (("l.m3u", url), ("l.pls", f"File1={url}")):
            assert listed(path, text) == [expected]
        sheet = f'FILE "{url}" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n'
        assert listed("l.cue", sheet) == [expected]

    def test_urls_of_other_machines(self, here: Path) -> None:
        (first, second) = listed("l.m3u", "file://host/a.wav\nfile://\n")
        assert (first.path, first.refusal) == ("file://host/a.wav", "names no file of this machine")
        assert second.refusal == "names no file of this machine"
        (null,) = listed("l.m3u", "file:///a%00b.wav\n")
        assert null == AudioInput("file:///a%00b.wav", refusal="has a null character, which no path has")

    @pytest.mark.parametrize("name", ["l.m3u", "m.m3u8", "sub/x.PLS", "a.cue", "gone.cue"])
    def test_lists_are_not_followed(self, here: Path, name: str) -> None:
        (only,) = listed("l.m3u", name)
        assert only == AudioInput(name, refusal="a list within a list, which is not followed")

    def test_folders(self, here: Path) -> None:
        found = listed("l.m3u", "folder\n.\n..\n/\n")
        assert {each.refusal for each in found} == {"a folder: lists may name files only"}

    def test_a_name_that_is_no_path(self, here: Path) -> None:
        (only,) = listed("l.m3u", "x" * 100_000)
        assert len(only.path) < 100
        assert only.refusal == "a name of 100,000 characters is no path"

    def test_rows_that_failed(self, music: Path) -> None:
        (music / "l.m3u").write_text("128.wav\nhttp://x/a.mp3\nmusic\ngone.wav\nother.pls\n")
        result = tempo("l.m3u", "--format", "csv", "-o", "out.csv", "-q")
        assert result.exit_code == 3
        assert result.stderr == (
            "tempo: http://x/a.mp3: a URL: lists may name local files only\n"
            "tempo: music: a folder: lists may name files only\n"
            "tempo: gone.wav: No such file or directory\n"
            "tempo: other.pls: a list within a list, which is not followed\n"
        )
        rows = (music / "out.csv").read_text().splitlines()
        assert len(rows) == 6
        again = tempo("l.m3u", "--format", "csv", "-o", "out.csv", "--resume")
        assert again.exit_code == 3
        assert again.stderr.startswith("tempo: 0 files, 5 more done earlier (4 of them failed), in ")


class TestLists:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("l.m3u", "#EXTM3U\n# nothing\n"),
            ("l.m3u8", "\n \n"),
            ("l.pls", "[playlist]\nNumberOfEntries=0\nFile1=\n"),
            ("l.pls", "a.wav\n"),
            ("l.cue", HEADER),
            ("l.cue", "a.wav\n"),
        ],
    )
    def test_empty(self, here: Path, name: str, text: str) -> None:
        assert refusal(name, text) == "a list that names no audio"
        assert refusal(name, "") == "a list that names no audio"

    def test_empty_is_one_line(self, music: Path) -> None:
        (music / "l.m3u").touch()
        result = tempo("l.m3u", "-q")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "tempo: l.m3u: a list that names no audio\n"
        assert tempo("gone.cue").stderr == "tempo: gone.cue: No such file or directory\n"

    @pytest.mark.parametrize("suffix", ["m3u", "pls", "cue"])
    def test_binary(self, here: Path, suffix: str) -> None:
        data = random.Random(0).randbytes(5000)
        assert b"\0" in data
        assert refusal(f"l.{suffix}", data) == "not a list of files: it is not text"

    def test_a_null_in_the_name_of_a_list(self, here: Path) -> None:
        (only,) = find_inputs(["a\0.m3u"])
        assert only.refusal is not None

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
    def test_a_fifo_is_not_waited_for(self, here: Path) -> None:
        os.mkfifo("l.m3u")
        (only,) = find_inputs(["l.m3u"])
        assert only == AudioInput("l.m3u", refusal="a list of files must be a regular file")

    def test_a_file_of_ten_gigabytes_is_not_read(self, here: Path) -> None:
        with Path("l.m3u").open("wb") as file:
            file.truncate(10 * 2**30)
        tracemalloc.start()
        try:
            (only,) = find_inputs(["l.m3u"])
            assert tracemalloc.get_traced_memory()[1] < 4 * lists.MAX_LIST_BYTES
        finally:
            tracemalloc.stop()
        assert only.refusal == "a list may have 8 MiB at most"
        assert refusal("a.cue", "\n" * (2**20 + 1)) == "a list may have 1 MiB at most"

    @pytest.mark.slow
    def test_a_million_lines(self, here: Path) -> None:
        """Are taken as they are needed."""
        Path("l.m3u").write_bytes(b"a.wav\n" * 1_000_000)
        inputs = find_inputs(["l.m3u"])
        assert [next(inputs) for _ in range(3)] == [AudioInput("a.wav")] * 3
        assert sum(1 for _ in listed("l.pls", b"#\n" * 1_000_000)) == 1

    @pytest.mark.parametrize(
        "line", ["FILE " + "a " * 2**17, 'FILE "' * 2**16, "FILE1=" + " " * 2**18, "INDEX 01 " + "1" * 2**18]
    )
    def test_long_lines_take_no_time(self, here: Path, line: str) -> None:
        for suffix in ("cue", "pls", "m3u"):
            sheet = f"{line}\nTRACK 01 AUDIO\n{line}\nINDEX 01 00:00:00\n"
            assert all(len(each.path) < 5000 for each in listed(f"l.{suffix}", sheet))

    @pytest.mark.slow
    @pytest.mark.parametrize("suffix", ["m3u", "pls", "cue"])
    def test_anything_is_read(self, here: Path, suffix: str) -> None:
        """Pieces of lists in any order: no exception, and no name of more than one line."""
        words = rb'FILE |"a.wav"| WAVE|TRACK |01 |AUDIO|MODE1/2352|INDEX |00:00:00|99:99:99|TITLE |"|-'
        words += rb"|File1=|File|99999999999999=|file://|%00|%|\|//|:|#| |"
        bytes_alone = [b"\n", b"\r", b"\xff\xfe", b"\xe4", b"\xef\xbb\xbf", b"\x85", b"\xe2\x80\xa8"]
        pieces = [*words.split(b"|"), *bytes_alone]
        rng = random.Random(suffix)
        for _ in range(300):
            for each in listed(f"l.{suffix}", b"".join(rng.choices(pieces, k=rng.randint(1, 60)))):
                assert "\n" not in f"{each.path}{each.refusal}"


class TestSheets:
    @pytest.mark.parametrize(
        ("sheet", "reason"),
        [
            ("TRACK 01 AUDIO\nINDEX 01 00:00:00\n", "track 01 has no FILE"),
            (f"{HEADER}TRACK 01 AUDIO\n", "track 01 has no INDEX 01"),
            (f"{HEADER}TRACK 01 AUDIO\nINDEX 00 00:00:00\n", "track 01 has no INDEX 01"),
            (f"{HEADER}TRACK 01 AUDIO\nINDEX 01 0:0\n", "track 01 has an INDEX 01 that is no time"),
            (f"{HEADER}TRACK 01 AUDIO\nINDEX 01 00:60:00\n", "track 01 has an INDEX 01 that is no time"),
            (f"{HEADER}TRACK 01 AUDIO\nINDEX 01 00:00:75\n", "track 01 has an INDEX 01 that is no time"),
            (f"{HEADER}TRACK 01 AUDIO\nINDEX 01 -1:00:00\n", "track 01 has an INDEX 01 that is no time"),
            (
                f"{HEADER}TRACK 01 AUDIO\nINDEX 01 {'9' * 5000}:00:00\n",
                "track 01 has an INDEX 01 that is no time",
            ),
        ],
    )
    def test_a_track_that_is_nowhere(self, here: Path, sheet: str, reason: str) -> None:
        (only,) = listed("a.cue", sheet)
        assert only == AudioInput("a.wav" if "FILE" in sheet else "a.cue", refusal=reason)

    @pytest.mark.parametrize("second", ["01:00:00", "00:30:00"])
    def test_tracks_in_no_order(self, here: Path, second: str) -> None:
        sheet = f"{HEADER}TRACK 01 AUDIO\nINDEX 01 01:00:00\nTRACK 02 AUDIO\nINDEX 01 {second}\n"
        first, last = listed("a.cue", sheet)
        assert first == AudioInput("a.wav", refusal="track 01 ends before it begins")
        assert last.refusal is None

    def test_a_broken_track_costs_no_other(self, here: Path) -> None:
        sheet = (
            f"{HEADER}TRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\nINDEX 01 x\n"
            "TRACK 03 AUDIO\nINDEX 01 01:00:00\n"
        )
        assert [each.part for each in listed("a.cue", sheet)] == [Part(0.0, 60.0), None, Part(60.0)]

    def test_an_image_that_is_missing(self, music: Path) -> None:
        (music / "a.cue").write_text('FILE "gone.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n')
        result = tempo("a.cue", "-q")
        assert (result.exit_code, result.stderr) == (1, "tempo: gone.wav: No such file or directory\n")

    def test_only_data(self, here: Path) -> None:
        assert (
            refusal("a.cue", f"{HEADER}TRACK 01 MODE1/2352\nINDEX 01 00:00:00\n")
            == "a list that names no audio"
        )

    def test_a_track_behind_the_end_of_its_file(self, tmp_path: Path, model_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.zeros(3 * 8000, np.int16), 8000)
        (tmp_path / "a.cue").write_text(f"{HEADER}TRACK 01 AUDIO\nINDEX 01 01:00:00\n")
        result = tempo(str(tmp_path / "a.cue"), "--method", "periodicity", "-q")
        assert result.exit_code == 1
        assert result.stderr == (
            f"tempo: {tmp_path}/a.wav, from 1:00: the part begins at 60 s, but the audio ends at 3.00 s\n"
        )
