"""Temporary files: one of a run that lives is left alone, one of a killed run is removed by the next."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import FAKE, tempo

from tempocli.audio import tags
from tempocli.batch import sockets
from tempocli.errors import TempoError
from tempocli.inference.references import bank
from tempocli.system import temporary
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks and sockets are those of POSIX")

HOLD = """
import sys, time
from tempocli.system import temporary
kept = temporary.make_file(sys.argv[1], ".tmp"), temporary.make_folder(sys.argv[1])
print("made", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look through folders anew, as another process would."""
    monkeypatch.setattr(temporary, "_swept", set())


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a temporary file and a temporary folder in `tmp_path`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"made\n"
        yield child
        child.kill()


def ours(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".tempo-*"))


def leave(folder: Path, suffix: str = ".tmp") -> Path:
    """Leave what a killed run leaves."""
    path, file = temporary.make_file(str(folder), suffix)
    file.close()
    return Path(path)


class TestRemoval:
    @pytest.mark.slow
    def test_of_a_run_that_is_killed_but_not_of_one_that_lives(
        self, tmp_path: Path, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)  # a whole path may be too long for a socket
        (folder,) = (path for path in tmp_path.glob(".tempo-*") if path.is_dir())
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(folder / "listener"))
        assert len(ours(tmp_path)) == 2
        temporary.remove_leftovers(str(tmp_path))
        assert len(ours(tmp_path)) == 2
        holder.kill()
        holder.wait()
        temporary.remove_leftovers(str(tmp_path))
        assert len(ours(tmp_path)) == 2, "a folder is looked through once"
        temporary._swept.clear()
        temporary.remove_leftovers(str(tmp_path))
        assert ours(tmp_path) == []

    @pytest.mark.parametrize(
        "name",
        [
            ".tempo-",
            ".tempo-0123456789ab.tmp",
            ".tempo-01234567-0123456789ab-mine",
            "tempo-01234567-0123456789ab",
        ],
    )
    def test_only_of_our_names(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
        temporary.remove_leftovers(str(tmp_path))
        assert (tmp_path / name).exists()

    @pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
    def test_not_of_links_and_pipes(self, tmp_path: Path, kind: str) -> None:
        victim, path = tmp_path / "victim", tmp_path / temporary._new_name(".tmp")
        victim.mkdir() if kind == "link" else victim.touch()
        (victim / "mine").touch() if kind == "link" else None
        {"link": path.symlink_to, "hard link": path.hardlink_to}.get(kind, lambda _: os.mkfifo(path))(victim)
        temporary.remove_leftovers(str(tmp_path))
        assert os.path.lexists(path)
        assert victim.exists()

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_a_folder_with_other_things_stays(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "victim").mkdir()
        (tmp_path / "victim" / "mine").touch()
        path, descriptor = temporary.make_folder(str(tmp_path))
        inner = Path(path, "inner")
        {"file": inner.touch, "folder": inner.mkdir, "link": lambda: inner.symlink_to(tmp_path / "victim")}[
            kind
        ]()
        os.close(descriptor)
        temporary._swept.clear()
        temporary.remove_leftovers(str(tmp_path))
        assert os.path.lexists(inner)
        assert (tmp_path / "victim" / "mine").exists()

    def test_of_other_machines_only_when_old(self, tmp_path: Path) -> None:
        """Their locks may not be seen here."""
        path = tmp_path / ".tempo-00000000-0123456789ab.tmp"
        for age, remains in ((3600.0, True), (86500.0, False)):
            path.touch()
            os.utime(path, (time.time() - age,) * 2)
            temporary._swept.clear()
            temporary.remove_leftovers(str(tmp_path))
            assert path.exists() == remains

    def test_not_of_other_users(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = leave(tmp_path)
        temporary._swept.clear()
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        temporary.remove_leftovers(str(tmp_path))
        assert path.exists()

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        temporary.remove_leftovers(str(tmp_path / "gone"))
        with pytest.raises(FileNotFoundError):
            temporary.make_file(str(tmp_path / "gone"))

    def test_one_taken_for_a_leftover_before_it_is_locked_is_made_anew(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock, n_calls = temporary.try_lock, 0

        def lock_late(descriptor: int) -> bool:
            nonlocal n_calls
            n_calls += 1
            if n_calls == 1:
                for path in tmp_path.glob(".tempo-*"):
                    path.unlink()
            return lock(descriptor)

        monkeypatch.setattr(temporary, "try_lock", lock_late)
        path, file = temporary.make_file(str(tmp_path))
        assert n_calls == 2
        assert ours(tmp_path) == [os.path.basename(path)]
        temporary.discard(path, file)

    def test_a_file_system_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: int) -> bool:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(temporary, "try_lock", fail)
        path = leave(tmp_path)
        temporary._swept.clear()
        temporary.remove_leftovers(str(tmp_path))
        assert path.exists()


class TestWhoRemoves:
    """Each that makes temporary files removes those that were left beside them."""

    @pytest.fixture
    def left(self, tmp_path: Path) -> Path:
        path = leave(tmp_path)
        temporary._swept.clear()
        return path

    def test_a_file_written_whole(self, left: Path) -> None:
        with atomic_file(str(left.with_name("out"))) as file:
            file.write(b"x")
            assert not left.exists()
            assert len(ours(left.parent)) == 1
        assert ours(left.parent) == []

    @pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl"])
    def test_results(self, left: Path, music: Path, name: str) -> None:
        assert left.parent == music
        assert tempo("128.wav", "-o", name).exit_code == 0
        assert ours(music) == []

    def test_tags(self, left: Path, tmp_path: Path) -> None:
        pytest.importorskip("mutagen")
        import numpy as np
        import soundfile

        soundfile.write(tmp_path / "a.flac", np.zeros(4000, np.float32), 8000)
        tags.write_tempo(str(tmp_path / "a.flac"), 99.0)
        assert tags.read_tempo(str(tmp_path / "a.flac")) == "99"
        assert ours(tmp_path) == []

    def test_references(self, left: Path, tmp_path: Path) -> None:
        import numpy as np

        bank.write_bank(tmp_path / "bank.npz", "key", np.zeros((2, 3), np.float32))
        assert ours(tmp_path) == []
        assert (tmp_path / "bank.npz").stat().st_mode & 0o044 == 0o044 & ~os.umask(os.umask(0))

    def test_copies_of_files_far_away(
        self, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fsspec = pytest.importorskip("fsspec")
        from tempocli.batch.engines.ray.storage import discard_copy, fetch

        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        fsspec.filesystem("memory").pipe_file("/leftovers/a.wav", b"abc")
        path, is_copy = fetch("memory://leftovers/a.wav")
        assert is_copy
        assert ours(tmp_path) == [os.path.basename(path)]
        temporary._swept.clear()
        temporary.remove_leftovers(str(tmp_path))
        assert Path(path).read_bytes() == b"abc"
        discard_copy(path)
        assert ours(tmp_path) == []


@pytest.mark.slow
class TestWorkers:
    """The socket by which workers are started lies in a folder of ours."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        # Not pytest's, whose path is too long for a socket.
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as name:
            yield Path(name)

    def start(self, folder: Path, *args: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"TMPDIR": str(folder)}
        return subprocess.Popen([sys.executable, FAKE, "estimate", *args, "-q"], env=environment)

    def test_a_run_leaves_nothing_nor_does_the_one_after_a_kill(self, folder: Path, music: Path) -> None:
        (music / "slow.wav").touch()
        with self.start(folder, "128.wav", "slow.wav") as child:
            deadline = time.monotonic() + 60
            while not list(folder.glob(".tempo-*/listener-*")):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            # Another run, while this one lives.
            with self.start(folder, "music", "-o", "out.csv") as other:
                assert other.wait(60) == 0
            assert len(os.listdir(folder)) == 1
            child.send_signal(signal.SIGKILL)
        assert len(os.listdir(folder)) == 1
        with self.start(folder, "music", "-o", "out.csv") as other:
            assert other.wait(60) == 0
        assert os.listdir(folder) == []

    def test_a_run_with_nothing_left_to_do_removes_them_too(self, folder: Path, music: Path) -> None:
        with self.start(folder, "music", "-o", "out.csv") as child:
            assert child.wait(60) == 0
        _, descriptor = temporary.make_folder(str(folder))
        os.close(descriptor)
        with self.start(folder, "music", "-o", "out.csv", "--resume") as child:
            assert child.wait(60) == 0
        assert os.listdir(folder) == []

    def test_a_long_path_for_temporary_files(self, folder: Path, music: Path) -> None:
        long = folder / (100 * "x")
        long.mkdir()
        with self.start(long, "music", "-o", "out.csv") as child:
            assert child.wait(60) == 0
        assert os.listdir(long) == []

    def test_no_place_for_it_is_an_error_of_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sockets.current_process()._config, "tempdir", None)
        monkeypatch.setattr(tempfile, "tempdir", "/" + 60 * "x")
        monkeypatch.setattr(sockets, "_PARENTS", ("/nowhere",))
        with pytest.raises(
            TempoError, match=r"^/x{60}: worker processes need a folder .*: set TMPDIR to one$"
        ):
            sockets.prepare_folder()

    def test_the_folder_of_somebody_else_is_used_if_there_is_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sockets.current_process()._config, "tempdir", "/somewhere")
        monkeypatch.setattr(temporary, "make_folder", lambda _: pytest.fail("made another"))
        sockets.prepare_folder()


@pytest.mark.slow
def test_a_copy_of_standard_input_has_no_name(music: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "t", ignore_errors=True)
    (tmp_path / "t").mkdir()
    code = (
        "import os, sys, tempfile\nfrom tempocli.audio import load_audio\n"
        "try: load_audio(sys.stdin.buffer, sample_rate=8000)\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(os.listdir(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t")]
    environment = os.environ | {"TMPDIR": str(tmp_path / "t")}
    done = subprocess.run(command, input=b"x" * 10**6, capture_output=True, env=environment, check=True)
    assert done.stdout == b"AudioError\n[]\n"
