"""Tags: what is written, by whom it can be read, and that nothing else of a file changes."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from clicks import make_clicks
from commands import FAKE, tempo
from hostile import encode_av

from tempocli.audio import load_audio, tags
from tempocli.errors import MissingExtraError, TagError
from tempocli.output.results.rows import CsvRows

if TYPE_CHECKING:
    from collections.abc import Callable

mutagen = pytest.importorskip("mutagen")

RATE = 24000
KINDS = {"mp3": "MP3", "flac": "FLAC", "ogg": "OGG", "opus": "OGG", "wav": "WAV", "aiff": "AIFF", "m4a": ""}
WHOLE = {"mp3", "wav", "aiff", "m4a"}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One short file of each kind, without tags of ours."""
    samples = np.stack([make_clicks(120.0, 2.0, RATE)] * 2, axis=1)
    files = {}
    for suffix, kind in KINDS.items():
        path = tmp_path_factory.mktemp("pristine") / f"a.{suffix}"
        if suffix == "m4a":
            pytest.importorskip("av")
            path.write_bytes(encode_av(samples, RATE, "mp4", "aac"))
        else:
            soundfile.write(path, samples, RATE, format=kind, subtype="OPUS" if suffix == "opus" else None)
        files[suffix] = path.read_bytes()
    return files


@pytest.fixture(params=KINDS)
def song(request: pytest.FixtureRequest, tmp_path: Path, pristine: dict[str, bytes]) -> Path:
    path = tmp_path / f"song.{request.param}"
    path.write_bytes(pristine[request.param])
    return path


@pytest.fixture
def make_song(tmp_path: Path, pristine: dict[str, bytes]) -> Callable[[str], str]:
    def make(name: str) -> str:
        path = tmp_path / name
        path.write_bytes(pristine[path.suffix[1:]])
        return str(path)

    return make


def audio_of(path: Path) -> bytes:
    """What players decode, and where the program is there, also the coded audio itself."""
    digest = hashlib.sha256(load_audio(path, sample_rate=RATE).tobytes())
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
        digest.update(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return digest.digest()


class TestWriting:
    @pytest.mark.slow
    def test_comes_back_and_the_audio_is_untouched(self, song: Path) -> None:
        before = audio_of(song)
        assert tags.read_tempo(str(song)) is None
        expected = "128" if song.suffix[1:] in WHOLE else "127.98"
        assert tags.tag_text(str(song), 127.984) == expected
        tags.write_tempo(str(song), 127.984)
        assert tags.read_tempo(str(song)) == expected
        tags.write_tempo(str(song), 90.0)
        assert tags.read_tempo(str(song)) == "90"
        assert audio_of(song) == before
        assert os.listdir(song.parent) == [song.name]

    def test_is_where_others_look(self, song: Path) -> None:
        tags.write_tempo(str(song), 128.0)
        file = mutagen.File(song)
        if song.suffix == ".m4a":
            assert file.tags["tmpo"] == [128]
        elif song.suffix[1:] in WHOLE:
            assert file.tags["TBPM"].text == ["128"]
        else:
            assert file.tags["bpm"] == ["128"]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("suffix", "command", "expected"),
        [
            ("mp3", ["id3v2", "-l"], r"TBPM .*: 128$"),
            ("flac", ["metaflac", "--list", "--block-type=VORBIS_COMMENT"], r"BPM=128$"),
            ("ogg", ["vorbiscomment", "-l"], r"^BPM=128$"),
            ("opus", ["opusinfo"], r"BPM=128$"),
            ("m4a", ["AtomicParsley", "song.m4a", "-t"], r'"tmpo" contains: 128'),
            *(
                (suffix, ["exiftool", "-BeatsPerMinute"], r": 128$")
                for suffix in ("mp3", "wav", "aiff", "m4a")
            ),
            *(
                (suffix, ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags"], r"BPM=128$")
                for suffix in ("mp3", "flac", "ogg", "opus", "aiff")
            ),
        ],
    )
    def test_other_programs_read_it(
        self, make_song: Callable[[str], str], suffix: str, command: list[str], expected: str
    ) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"needs the program {command[0]}")
        path = make_song(f"song.{suffix}")
        tags.write_tempo(path, 128.0)
        command = [path if part.startswith("song.") else part for part in command]
        command += [] if path in command else [path]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert re.search(expected, done.stdout, re.MULTILINE), done.stdout

    def test_other_tags_stay(self, song: Path) -> None:
        easy = mutagen.File(song, easy=True)
        if easy.tags is None:
            easy.add_tags()
        is_easy = song.suffix not in {".wav", ".aiff"}
        if is_easy:
            easy["title"], easy["date"] = "A title", "2001"
        else:
            easy["TIT2"] = mutagen.id3.TIT2(encoding=3, text=["A title"])
        easy.save()
        tags.write_tempo(str(song), 100.0)
        again = mutagen.File(song, easy=True)
        assert (again["title"] if is_easy else again["TIT2"].text) == ["A title"]
        assert not is_easy or again["date"] == ["2001"]

    @pytest.mark.parametrize("version", [3, 4])
    def test_the_version_of_id3_stays(self, make_song: Callable[[str], str], version: int) -> None:
        path = make_song("song.mp3")
        old = mutagen.id3.ID3()
        old.add(mutagen.id3.TIT2(encoding=1, text=["A title"]))
        old.save(path, v2_version=version)
        tags.write_tempo(path, 100.0)
        assert mutagen.id3.ID3(path, translate=False).version == (2, version, 0)

    def test_id3v1_stays_as_it_is(self, make_song: Callable[[str], str]) -> None:
        path = make_song("song.mp3")
        block = b"TAG" + b"Another title".ljust(124, b"\0") + b"\x11"
        with open(path, "ab") as file:
            file.write(block)
        mutagen.id3.ID3().save(path, v1=0)
        with open(path, "ab") as file:
            file.write(block)
        tags.write_tempo(path, 100.0)
        assert Path(path).read_bytes().endswith(block)
        assert tags.read_tempo(path) == "100"

    def test_mode_stays_and_links_are_followed(self, make_song: Callable[[str], str], tmp_path: Path) -> None:
        path = make_song("song.flac")
        os.chmod(path, 0o640)
        link = tmp_path / "link.flac"
        link.symlink_to("song.flac")
        tags.write_tempo(str(link), 100.0)
        assert link.is_symlink()
        assert tags.read_tempo(path) == "100"
        assert os.stat(path).st_mode & 0o777 == 0o640

    @pytest.mark.parametrize("zero", ["0", "000", "0.00", " "])
    def test_zero_is_no_tempo(self, make_song: Callable[[str], str], zero: str) -> None:
        path = make_song("song.ogg")
        file = mutagen.File(path)
        file["bpm"] = [zero]
        file.save()
        assert tags.read_tempo(path) is None

    @pytest.mark.parametrize(
        ("old", "bpm", "same"),
        [
            ("128", 127.98, True),
            ("128", 128.6, False),
            ("127.98", 127.984, True),
            ("127.98", 128.0, False),
            ("128.0", 128.04, True),
            ("64", 128.0, False),
            ("fast", 128.0, False),
            ("nan", 128.0, False),
        ],
    )
    def test_same(self, old: str, bpm: float, same: bool) -> None:
        assert tags.is_same(old, bpm) == same

    def test_what_cannot_be_tagged_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_text("not audio")
        (tmp_path / "a.mp3").write_bytes(b"ID3\4\0\0\0\0\0\0 not audio")
        before = sorted(os.listdir(tmp_path))
        for name in (*before, "missing.mp3"):
            with pytest.raises(TagError) as caught:
                tags.write_tempo(str(tmp_path / name), 100.0)
            assert caught.value.name == str(tmp_path / name)
            assert len(str(caught.value).splitlines()) == 1
        assert sorted(os.listdir(tmp_path)) == before

    @pytest.mark.skipif(
        hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may write everything"
    )
    def test_read_only(self, make_song: Callable[[str], str]) -> None:
        path = make_song("song.mp3")
        os.chmod(path, 0o444)
        with pytest.raises(TagError, match="read-only"):
            tags.write_tempo(path, 100.0)

    def test_a_failure_in_the_middle_leaves_the_old_file(
        self, song: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        before = song.read_bytes()
        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(TagError, match="No space left"):
            tags.write_tempo(str(song), 100.0)
        assert song.read_bytes() == before
        assert os.listdir(song.parent) == [song.name]

    def test_says_which_extra_is_missing(
        self, make_song: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = make_song("song.mp3")
        monkeypatch.setitem(sys.modules, "mutagen", None)
        with pytest.raises(MissingExtraError, match=r"\[tags\]"):
            tags.read_tempo(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp3", "m4a"])
def test_a_kill_leaves_the_old_or_the_new_file(
    make_song: Callable[[str], str], suffix: str, tmp_path: Path
) -> None:
    path = make_song(f"song.{suffix}")
    # Large enough that a kill in the middle of a write would show.
    if suffix == "mp3":
        with open(path, "r+b") as file:
            data = file.read()
            file.write(data * 100)
    before = audio_of(Path(path))
    code = (
        "import sys; from tempocli.audio import tags\n"
        "tags.write_tempo(sys.argv[1], 99.0); print('go', flush=True)\n"
        "for bpm in range(100, 10**6): tags.write_tempo(sys.argv[1], 100.0 + bpm % 100)"
    )
    rng = random.Random(0)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"go\n"
            time.sleep(rng.uniform(0.0, 0.1))
            child.kill()
        assert child.returncode == -signal.SIGKILL
        assert 99 <= int(tags.read_tempo(path) or 0) < 200
        assert audio_of(Path(path)) == before
        for left in tmp_path.glob(".tempo-*"):
            left.unlink()


@pytest.mark.usefixtures("music")
class TestCommand:
    """With the estimator that finds the tempo in the name; its confidence is 0.88."""

    @pytest.mark.slow
    def test_writes_tags(self, make_song: Callable[[str], str]) -> None:
        paths = [make_song("128.4.mp3"), make_song("128.4.flac"), make_song("silent.ogg")]
        result = tempo(*paths, "--write-tags", "--overwrite")
        assert result.exit_code == 0
        assert [tags.read_tempo(path) for path in paths] == ["128", "128.4", None]

    @pytest.mark.slow
    def test_one_file(self, make_song: Callable[[str], str]) -> None:
        path = make_song("128.mp3")
        result = tempo(path, "--write-tags")
        said = f"tempo: {path}: tag written: 128\n"
        assert (result.exit_code, result.stdout, result.stderr) == (0, "128.00\n", said)
        assert tags.read_tempo(path) == "128"
        again = tempo(path, "--write-tags")
        assert again.stderr == f"tempo: {path}: tag not written: it says 128 already\n"
        assert tempo(path, "--write-tags", "--quiet").stderr == ""

    @pytest.mark.slow
    def test_another_tempo_is_left_unless_told_otherwise(self, make_song: Callable[[str], str]) -> None:
        path = make_song("128.mp3")
        tags.write_tempo(path, 64.0)
        result = tempo(path, "--write-tags")
        assert (result.exit_code, result.stdout) == (0, "128.00\n")
        assert result.stderr == f"tempo: {path}: tag says 64, not 128; --overwrite replaces it\n"
        assert tags.read_tempo(path) == "64"
        told = tempo(path, "--write-tags", "--overwrite").stderr
        assert told == f"tempo: {path}: tag written: 128, was 64\n"
        assert tags.read_tempo(path) == "128"

    @pytest.mark.slow
    def test_the_same_tempo_is_not_written_again(self, make_song: Callable[[str], str]) -> None:
        path = make_song("128.2.mp3")
        tags.write_tempo(path, 128.0)
        before = os.stat(path)
        assert tempo(path, "--write-tags", "--overwrite").exit_code == 0
        assert os.stat(path).st_ino == before.st_ino

    @pytest.mark.slow
    def test_a_person_is_asked(self, make_song: Callable[[str], str]) -> None:
        paths = [make_song("128.mp3"), make_song("130.mp3")]
        for path in paths:
            tags.write_tempo(path, 64.0)
        code, shown = _with_answers(["estimate", *paths, "--write-tags", "-o", "out.csv"], b"y\nn\n")
        assert code == 0
        assert "128.mp3: replace the tag 64 by 128? [y/N]:" in shown
        assert [tags.read_tempo(path) for path in paths] == ["128", "64"]

    @pytest.mark.slow
    def test_dry_run(self, make_song: Callable[[str], str]) -> None:
        paths = [make_song("128.mp3"), make_song("130.mp3"), make_song("90.5.ogg")]
        tags.write_tempo(paths[0], 64.0)
        tags.write_tempo(paths[1], 130.0)
        before = [Path(path).read_bytes() for path in paths]
        result = tempo(*paths, "--write-tags", "--dry-run")
        assert result.stderr.splitlines() == [
            f"tempo: {paths[0]}: tag 64 -> 128",
            f"tempo: {paths[2]}: tag none -> 90.5",
            "tempo: tags: 2 would be written; 1 not written (1 has this tempo already)",
        ]
        assert [Path(path).read_bytes() for path in paths] == before

    @pytest.mark.slow
    def test_the_unsure_are_not_written(self, make_song: Callable[[str], str]) -> None:
        path = make_song("128.mp3")
        result = tempo(path, "--write-tags", "--min-confidence", "0.9")
        assert result.exit_code == 0
        assert result.stderr == f"tempo: {path}: tag not written: confidence 0.88, under 0.9\n"
        assert tags.read_tempo(path) is None

    @pytest.mark.slow
    def test_decimals(self, make_song: Callable[[str], str]) -> None:
        paths = [make_song(f"127.98.{suffix}") for suffix in ("mp3", "wav", "m4a", "flac")]
        whole = ("128", "128", "128", "127.98")
        assert tempo(*paths, "--write-tags").exit_code == 0
        assert tuple(map(tags.read_tempo, paths)) == whole
        # A rounded tag is right, so that it is left unless it is to be replaced.
        assert tempo(*paths, "--write-tags", "--tag-decimals", "2").exit_code == 0
        assert tuple(map(tags.read_tempo, paths)) == whole
        assert tempo(*paths, "--write-tags", "--tag-decimals", "2", "--overwrite").exit_code == 0
        assert tuple(map(tags.read_tempo, paths)) == ("127.98", "127.98", "128", "127.98")
        before = [os.stat(path).st_ino for path in paths]
        assert tempo(*paths, "--write-tags", "--tag-decimals", "2", "--overwrite").exit_code == 0
        assert [os.stat(path).st_ino for path in paths] == before
        assert mutagen.File(paths[0]).tags["TBPM"].text == ["127.98"]
        with pytest.importorskip("av").open(paths[0]) as container:
            assert container.metadata["TBPM"] == "127.98"
        assert tempo(paths[0], "--tag-decimals", "2").exit_code == 2

    @pytest.mark.slow
    def test_tagged_files_are_skipped(self, make_song: Callable[[str], str]) -> None:
        paths = [make_song("128.mp3"), make_song("130.mp3"), "128.wav", "broken.wav"]
        tags.write_tempo(paths[0], 64.0)
        result = tempo(*paths, "--skip-tagged")
        assert result.exit_code == 3
        assert result.stdout == f"{paths[1]}\t130.00\n128.wav\t128.00\n"
        alone = tempo(paths[0], "--skip-tagged")
        assert (alone.exit_code, alone.stdout, alone.stderr) == (0, "", "")

    @pytest.mark.slow
    def test_what_cannot_be_tagged_is_said(self, music: Path) -> None:
        result = tempo("128.wav", "music/100.wav", "--write-tags")
        assert result.exit_code == 3
        assert result.stdout == "128.wav\t128.00\nmusic/100.wav\t100.00\n"
        *notes, last = result.stderr.splitlines()
        assert [line.split(": ")[:3] for line in notes] == [
            ["tempo", name, "tag not written"] for name in ("128.wav", "music/100.wav")
        ]
        assert last.startswith("tempo: tags: 0 written; 2 not written (2 ")

    @pytest.mark.slow
    def test_a_batch_says_what_was_written_and_why_not(self, make_song: Callable[[str], str]) -> None:
        names = ["128.mp3", "130.mp3", "90.flac", "silent.ogg", "99.mp3"]
        paths = [make_song(name) for name in names]
        tags.write_tempo(paths[1], 65.0)
        tags.write_tempo(paths[2], 90.0)
        Path(paths[4]).write_bytes(b"not audio")
        args = ("--write-tags", "--format", "csv")
        result = tempo(*paths, "broken.wav", *args)
        lines = result.stderr.splitlines()
        assert lines[-1] == (
            "tempo: tags: 1 written; 5 not written (1 another tempo is there; 1 has this tempo already; "
            "1 no tempo; 1 can't sync to MPEG frame; 1 could not be read)"
        )
        assert len([line for line in lines if "broken.wav" in line]) == 1
        told = tempo(*paths, "broken.wav", *args, "-v").stderr.splitlines()
        for path, what in (
            (paths[0], "tag not written: it says 128 already"),
            (paths[1], "tag says 65, not 130; --overwrite replaces it"),
            (paths[2], "tag not written: it says 90 already"),
            (paths[3], "tag not written: no tempo"),
        ):
            assert [line for line in told if line.startswith(f"tempo: {path}: {what}")], told
        assert "tags:" not in tempo(*paths, *args, "--quiet").stderr

    @pytest.mark.slow
    def test_a_run_with_tags_is_continued(self, make_song: Callable[[str], str], music: Path) -> None:
        """The file that was just written to is no changed file."""
        path = make_song("128.mp3")
        args = [path, "music/old", "-o", "out.csv", "--write-tags"]
        assert tempo(*args).exit_code == 3
        assert tags.read_tempo(path) == "128"
        with (music / "out.csv").open("rb") as file:
            fingerprint = next(CsvRows().read(file, ""))[0].fingerprint
        assert fingerprint is not None
        assert fingerprint.mtime_ns == os.stat(path).st_mtime_ns
        again = tempo(*args, "--resume")
        assert again.stderr.startswith("tempo: 0 files, 2 more done earlier, ")

    @pytest.mark.parametrize(
        "args", [["--overwrite"], ["--dry-run"], ["-", "--write-tags"], ["--min-confidence", "2"]]
    )
    def test_wrong_usage(self, args: list[str]) -> None:
        assert tempo("128.wav", *args).exit_code == 2

    def test_says_which_extra_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "mutagen", None)
        for option in ("--write-tags", "--skip-tagged"):
            result = tempo("128.wav", option)
            assert result.exit_code == 1
            assert "tempo-estimate[tags]" in result.stderr


def _with_answers(args: list[str], answers: bytes) -> tuple[int, str]:
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, FAKE, *args], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answers)
    shown = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return child.wait(60), shown.decode()
