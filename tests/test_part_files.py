"""`FILE.part`: recognised by its mark, never a link, never somebody else's, and missed when it is gone."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import tempo
from test_results import FORMATS, LAYOUT, interrupt, needs_pyarrow, read, result_of, resume

from tempocli.batch.engines.output import OutputSpec, open_growing
from tempocli.cli.sinks import saying_what_is_kept
from tempocli.errors import OutputError
from tempocli.output.results import ResultFile, file, part_of
from tempocli.output.results.part import mark_of
from tempocli.system.atomic_files import atomic_file
from tempocli.system.locks import open_locked

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes are those of POSIX")
ADVICE = "move it away or delete it, or give another output"


def make_odd(kind: str, path: Path, victim: Path) -> None:
    """Put something at `path` that is no file of ours; `victim` is what a link leads to."""
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("nowhere"))
    elif kind == "link to a device":
        path.symlink_to(os.devnull)
    elif kind == "hard link":
        path.hardlink_to(victim)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)  # of the current folder: a whole path may be too long


ODD = {
    "link": "a symbolic link",
    "dangling link": "a symbolic link",
    "link to a device": "a symbolic link",
    "hard link": "a hard link to a file that has another name, too",
    "folder": "a folder",
    "pipe": "a named pipe",
    "socket": "a socket",
}


@pytest.fixture
def songs(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        path.write_bytes(b"abc")
    return [str(path) for path in paths]


class TestMark:
    @pytest.mark.parametrize("format_name", FORMATS)
    def test_a_part_begins_with_it_and_the_file_does_not(
        self,
        tmp_path: Path,
        format_name: str,
        songs: list[str],
    ) -> None:
        path = tmp_path / f"out.{needs_pyarrow(format_name)}"
        interrupt(path, format_name, map(result_of, songs[:2]))
        mark = b"# tempo: results in the making (%s, 1)\n" % format_name.encode()
        assert Path(part_of(str(path))).read_bytes().startswith(mark)
        assert resume(path, format_name, songs) == songs[2:]
        assert b"in the making" not in path.read_bytes()
        assert [row["path"] for row in read(path)] == songs

    @pytest.mark.parametrize("more", [[], ["--resume"]])
    @pytest.mark.parametrize(
        "content",
        [
            b"x",
            b"my notes\n",
            b"path,bpm\na.wav,120\n",
            b"# tempo",
            b"# tempo: results of mine\n",
            bytes(5000),
        ],
    )
    def test_other_files_are_left_alone(self, music: Path, content: bytes, more: list[str]) -> None:
        part = music / "out.csv.part"
        part.write_bytes(content)
        if content == b"# tempo":  # the start of a mark, as a killed run may leave it
            part.write_bytes(content + b"!")
        before = part.read_bytes()
        result = tempo("128.wav", "-o", "out.csv", *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"tempo: {part}: was not made by this version of tempo: {ADVICE}\n"
        assert part.read_bytes() == before
        assert not (music / "out.csv").exists()

    def test_results_without_a_mark_are_no_part(self, music: Path) -> None:
        assert tempo("128.wav", "-o", "out.csv").exit_code == 0
        os.rename("out.csv", "out.csv.part")
        assert "was not made by this version" in tempo("128.wav", "-o", "out.csv", "--resume").stderr

    def test_those_of_another_format_say_which(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out"
        interrupt(path, "csv", map(result_of, songs))
        with pytest.raises(OutputError, match=r"has results for --format csv: give that, or move it away"):
            resume(path, "jsonl", songs)
        assert resume(path, "csv", songs) == []

    @pytest.mark.parametrize("length", [0, 1, 20, len(mark_of("csv")), len(mark_of("csv")) + 7])
    def test_one_that_was_not_begun_is_begun(self, music: Path, length: int) -> None:
        (music / "out.csv.part").write_bytes((mark_of("csv") + b"path,bp")[:length])
        result = tempo("128.wav", "-o", "out.csv", *(["--resume"] if length % 2 else []))
        assert (result.exit_code, result.stderr[:15]) == (0, "")
        assert [row["bpm"] for row in read(music / "out.csv")] == ["128.00"]


class TestOddFiles:
    @pytest.mark.parametrize("more", [[], ["--resume"]])
    @pytest.mark.parametrize("kind", ODD)
    def test_in_the_place_of_the_part(self, music: Path, kind: str, more: list[str]) -> None:
        victim = music / "victim"
        victim.write_bytes(mark_of("csv"))
        make_odd(kind, music / "out.csv.part", victim)
        before = sorted(os.listdir(music))
        result = tempo("128.wav", "-o", "out.csv", *more)
        assert (result.exit_code, result.stdout) == (1, "")
        said = f"is {ODD[kind]}, not made by tempo: move it away, or give another output"
        assert result.stderr == f"tempo: {music / 'out.csv.part'}: {said}\n"
        assert victim.read_bytes() == mark_of("csv")
        assert sorted(os.listdir(music)) == before

    @pytest.mark.parametrize("kind", ODD)
    def test_in_the_place_where_earlier_versions_made_their_copy(self, music: Path, kind: str) -> None:
        victim = music / "victim"
        victim.write_text("mine")
        make_odd(kind, music / "out.csv.part.new", victim)
        assert tempo("128.wav", "-o", "out.csv").exit_code == 0
        assert tempo("128.wav", "music", "-o", "out.csv", "--resume").exit_code == 0
        assert len(read(music / "out.csv")) == 4
        assert victim.read_text() == "mine"
        assert not (music / "nowhere").exists()
        assert os.path.lexists(music / "out.csv.part.new")

    @pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "hard link"])
    def test_in_the_place_of_a_lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        monkeypatch.chdir(tmp_path)
        make_odd(kind, tmp_path / "_lock", tmp_path / "victim")
        with pytest.raises(OutputError, match=f"_lock: is {ODD[kind]}"):
            open_locked(str(tmp_path / "_lock"))
        assert os.listdir(tmp_path) == ["_lock"]

    def test_a_link_to_the_output_is_followed_as_by_every_program(self, music: Path) -> None:
        (music / "out.csv").symlink_to("old/results.csv")
        (music / "old").mkdir()
        assert tempo("128.wav", "-o", "out.csv").exit_code == 0
        assert tempo("128.wav", "music", "-o", "out.csv", "--resume").exit_code == 0
        assert (music / "out.csv").is_symlink()
        assert len(read(music / "old" / "results.csv")) == 4
        assert os.listdir(music / "old") == ["results.csv"]

    def test_a_hard_link_to_the_output_keeps_the_old_content(self, music: Path) -> None:
        (music / "mine").write_text("old")
        (music / "out.csv").hardlink_to(music / "mine")
        assert tempo("128.wav", "-o", "out.csv").exit_code == 0
        assert (music / "mine").read_text() == "old"

    @pytest.mark.parametrize("more", [[], ["--resume"]])
    def test_a_folder_is_no_output(self, music: Path, more: list[str]) -> None:
        (music / "out.csv").mkdir()
        result = tempo("128.wav", "-o", "out.csv", *more)
        assert (result.exit_code, result.stderr) == (1, "tempo: out.csv: Is a directory\n")

    def test_what_is_no_file_cannot_be_continued(self, music: Path) -> None:
        os.mkfifo("out.csv")
        result = tempo("128.wav", "-o", "out.csv", "--resume")
        assert result.exit_code == 2
        assert "--resume needs --output FILE" in result.stderr
        with (
            pytest.raises(OutputError, match=r"out\.csv: is not a regular file"),
            ResultFile("out.csv", "csv", LAYOUT),
        ):
            pass

    def test_a_socket_is_no_output(self, music: Path) -> None:
        make_odd("socket", music / "out.csv", music)
        result = tempo("128.wav", "-o", "out.csv")
        assert (result.exit_code, result.stderr) == (1, "tempo: out.csv: No such device or address\n")

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser gives away"
    )
    def test_a_part_of_another_user(self, music: Path) -> None:
        (music / "out.csv.part").write_bytes(mark_of("csv"))
        os.chown("out.csv.part", 12345, -1)
        result = tempo("128.wav", "-o", "out.csv")
        assert (result.exit_code, result.stderr) == (
            1,
            f"tempo: {music / 'out.csv.part'}: belongs to another user: {ADVICE}\n",
        )

    def test_a_file_system_that_gives_all_files_one_owner(
        self, music: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        (music / "out.csv.part").write_bytes(mark_of("csv"))
        assert tempo("128.wav", "-o", "out.csv").exit_code == 0


class TestLongNames:
    @pytest.mark.parametrize("letter", ["x", "é", "音"])
    @pytest.mark.parametrize("length", [240, 246, 247, 250, 251, 254, 255])
    def test_an_interrupted_run_is_found_again(
        self,
        tmp_path: Path,
        songs: list[str],
        letter: str,
        length: int,
    ) -> None:
        stem = letter * ((length - 4) // len(letter.encode()))
        path = tmp_path / (stem + "y" * (length - 4 - len(stem.encode())) + ".csv")
        assert len(os.fsencode(path.name)) == length
        interrupt(path, "csv", map(result_of, songs[:2]))
        part = Path(part_of(str(path)))
        assert part.exists()
        assert (part.name == f"{path.name}.part") == (length <= 250)
        assert resume(path, "csv", songs) == songs[2:]
        assert not part.exists()
        assert len(read(path)) == 3

    def test_those_that_begin_alike_have_parts_of_their_own(self, tmp_path: Path) -> None:
        names = {part_of(str(tmp_path / (250 * "x" + end))) for end in ("a.csv", "b.csv")}
        assert len(names) == 2
        assert all(len(os.path.basename(name)) == 255 for name in names)

    def test_one_that_is_too_long_by_itself(self, music: Path) -> None:
        result = tempo("128.wav", "-o", 252 * "x" + ".csv")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.endswith("File name too long\n")

    def test_other_formats(self, music: Path) -> None:
        name = 250 * "x" + ".tsv"
        assert tempo("128.wav", "-o", name).exit_code == 0
        assert (music / name).exists()


def lose(kind: str, folder: Path) -> str:
    """Do something to the folder of results, and return what is to be said of ``out.csv.part``."""
    part = folder / "out.csv.part"
    if kind == "folder removed":
        shutil.rmtree(folder)
    elif kind == "folder moved":
        folder.rename(folder.with_name("elsewhere"))
    elif kind == "folder replaced":
        folder.rename(folder.with_name("elsewhere"))
        folder.mkdir()
    elif kind == "part removed":
        part.unlink()
    else:
        part.rename(folder / "elsewhere")
        part.write_text("mine")
    return "was deleted" if kind.endswith("removed") else "was moved or replaced"


LOSSES = ["folder removed", "folder moved", "folder replaced", "part removed", "part replaced"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for results, in which each row is made sure of at once."""
    monkeypatch.setattr(file, "_SYNC_SECONDS", -1.0)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


class TestLosses:
    @pytest.mark.parametrize("kind", LOSSES)
    def test_of_the_place_end_the_run(
        self,
        folder: Path,
        songs: list[str],
        capsys: pytest.CaptureFixture[str],
        kind: str,
    ) -> None:
        spec = OutputSpec(str(folder / "out.csv"), "csv", LAYOUT)
        part, n_done = folder / "out.csv.part", 0
        with (  # noqa: PT012 - it says when
            pytest.raises(OutputError, match="no more results can be kept") as caught,
            open_growing(spec, resume=False) as output,
            saying_what_is_kept(output.file),
        ):
            growing = output.file
            growing.begin("s")
            growing.append(result_of(songs[0]))
            said = lose(kind, folder)
            for song in songs:
                growing.append(result_of(song))
                n_done += 1
        assert n_done == 0, "it went on"
        assert str(caught.value).startswith(f"{part}: {said} during the run")
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert "are kept" not in told
        if said == "was deleted":
            assert told == f"tempo: 2 results are lost: {part} was deleted\n"
        else:
            assert told.startswith(f"tempo: 2 results are no longer in {part}, which was moved or replaced")
        if kind == "part replaced":
            assert part.read_text() == "mine"

    @pytest.mark.parametrize("kind", LOSSES)
    def test_at_the_end(self, folder: Path, songs: list[str], kind: str) -> None:
        with (  # noqa: PT012
            pytest.raises(OutputError, match="during the run"),
            ResultFile(str(folder / "out.csv"), "csv", LAYOUT) as growing,
        ):
            growing.begin("s")
            growing.append(result_of(songs[0]))
            lose(kind, folder)
            growing.finish()
        assert not (folder / "out.csv").exists()

    @pytest.mark.parametrize("kind", LOSSES)
    def test_before_the_first_result(self, folder: Path, kind: str) -> None:
        with ResultFile(str(folder / "out.csv"), "csv", LAYOUT) as growing:
            growing.begin("s")
            lose(kind, folder)
        if kind == "part replaced":
            assert (folder / "out.csv.part").read_text() == "mine"

    def test_on_the_command_line(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "_SYNC_SECONDS", -1.0)
        (music / "results").mkdir()
        append = ResultFile.append

        def append_and_lose(self: ResultFile, *args: object) -> None:
            append(self, *args)
            shutil.rmtree(music / "results", ignore_errors=True)

        monkeypatch.setattr(ResultFile, "append", append_and_lose)
        result = tempo("music", "-q", "-o", "results/out.csv")
        part = music / "results" / "out.csv.part"
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [
            f"tempo: 2 results are lost: {part} was deleted",
            f"tempo: {part}: was deleted during the run, so that no more results can be kept",
        ]

    def test_a_folder_that_becomes_a_file_of_the_output(
        self, music: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = ResultFile.finish

        def finish_late(self: ResultFile) -> None:
            (music / "out.csv").mkdir()
            finish(self)

        monkeypatch.setattr(ResultFile, "finish", finish_late)
        result = tempo("128.wav", "-o", "out.csv")
        kept = f"1 results are kept in {music / 'out.csv.part'}: the same command with --resume goes on"
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [f"tempo: {kept}", "tempo: out.csv: Is a directory"]

    @pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.tsv"])
    def test_a_folder_that_becomes_read_only(
        self, music: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")

        def refuse(source: str, target: str) -> None:
            raise PermissionError(13, "Permission denied", source, None, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            result = tempo("128.wav", "-o", name)
        assert (result.exit_code, result.stdout) == (1, "")
        path = name if name == "out.tsv" else music / name
        assert result.stderr.splitlines()[-1] == f"tempo: {path}: Permission denied"
        if name != "out.tsv":
            assert result.stderr.startswith(f"tempo: 1 results are kept in {music / name}.part: ")
            assert tempo("128.wav", "-o", name, "--resume").exit_code == 0
        assert not list(music.glob(".tempo-*"))

    def test_rows_that_the_disk_did_not_take_are_not_said_to_be_kept(
        self,
        folder: Path,
        songs: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        with (  # noqa: PT012
            pytest.raises(OSError, match="No space left") as caught,
            ResultFile(str(folder / "out.csv"), "csv", LAYOUT) as growing,
        ):
            growing.begin("s")
            growing.append(result_of(songs[0]))
            monkeypatch.setattr(os, "fsync", fail)
            growing.append(result_of(songs[1]))
        assert caught.value.filename == str(folder / "out.csv.part")
        assert growing.n_rows == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_at_the_end_keeps_the_part(
        self, music: Path, monkeypatch: pytest.MonkeyPatch, make_full: Callable[[], None]
    ) -> None:
        make_full()
        result = tempo("128.wav", "-o", "out.csv")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            f"tempo: 1 results are kept in {music / 'out.csv.part'}: the same command with --resume goes on",
            f"tempo: {music / 'out.csv'}: No space left on device",
        ]


@pytest.fixture
def make_full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`make_full()` lets whole files be written to a disk that is full."""

    def make() -> None:
        def fill(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(file.shutil, "copyfileobj", fill)

    return make


def test_an_atomic_file_whose_folder_vanishes(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "out"
    path.parent.mkdir()
    with pytest.raises(FileNotFoundError) as caught, atomic_file(str(path)) as output:  # noqa: PT012
        output.write(b"x")
        shutil.rmtree(path.parent)
    assert caught.value.filename == str(path)
