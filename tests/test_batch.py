"""Files are found in a settled order, and estimated in it, whatever the number of threads."""

from __future__ import annotations

import os
import threading
import time
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from fake_estimator import FakeEstimator, make_estimate

from tempocli.batch import estimate_files, find_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


class TestFindFiles:
    def test_files_stand_for_themselves(self, tmp_path: Path) -> None:
        touch(tmp_path, "notes.txt")
        paths = [str(tmp_path / "notes.txt"), "missing.wav", "-"]
        assert list(find_files(paths)) == paths

    def test_folders_are_searched_in_order(self, tmp_path: Path) -> None:
        touch(
            tmp_path,
            "b/2.mp3",
            "b/10.FLAC",
            "a.wav",
            "c.txt",
            ".hidden.wav",
            ".git/x.wav",
            "b/._2.mp3",
            "z.ogg",
        )
        found = [os.path.relpath(path, tmp_path) for path in find_files([tmp_path])]
        assert found == ["a.wav", "b/10.FLAC", "b/2.mp3", "z.ogg"]

    def test_relative_folders_give_relative_paths(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(tmp_path, "music/a.wav")
        monkeypatch.chdir(tmp_path)
        assert list(find_files(["music"])) == ["music/a.wav"]

    def test_loops_of_links_end(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/song.wav")
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        (tmp_path / "again").symlink_to(tmp_path / "a")
        (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
        assert list(find_files([tmp_path])) == [str(tmp_path / "a" / "song.wav")]

    def test_links_to_files_and_folders_are_followed(self, tmp_path: Path) -> None:
        touch(tmp_path, "real/song.wav")
        (tmp_path / "music").mkdir()
        (tmp_path / "music" / "folder").symlink_to(tmp_path / "real")
        (tmp_path / "music" / "link.wav").symlink_to(tmp_path / "real" / "song.wav")
        found = [os.path.relpath(path, tmp_path / "music") for path in find_files([tmp_path / "music"])]
        assert found == ["folder/song.wav", "link.wav"]

    def test_only_regular_files_are_taken_from_folders(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.wav")
        (tmp_path / "folder.wav").mkdir()
        touch(tmp_path, "song.wav")
        assert list(find_files([tmp_path])) == [str(tmp_path / "song.wav")]

    def test_a_folder_without_audio_stands_for_itself(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/notes.txt", "b/song.wav")
        assert list(find_files([tmp_path / "a", tmp_path / "b"])) == [
            str(tmp_path / "a"),
            str(tmp_path / "b" / "song.wav"),
        ]

    def test_names_need_not_be_utf8(self, tmp_path: Path) -> None:
        raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
        with open(raw, "wb"):
            pass
        assert [os.fsencode(path) for path in find_files([tmp_path])] == [raw]

    def test_is_lazy(self) -> None:
        def paths() -> Iterator[str]:
            yield "first.wav"
            raise AssertionError("read too far")

        assert next(find_files(paths())) == "first.wav"


class TestEstimateFiles:
    @pytest.mark.parametrize("jobs", [1, 2, 5])
    def test_keeps_the_order(self, tmp_path: Path, jobs: int) -> None:
        class Uneven(FakeEstimator):
            def estimate(self, source):
                estimate = super().estimate(source)
                time.sleep(0.02 if estimate.bpm % 3 == 0 else 0.0)
                return estimate

        names = [f"{bpm}.wav" for bpm in range(100, 130)]
        touch(tmp_path, *names)
        results = list(estimate_files(Uneven(), [str(tmp_path / name) for name in names], jobs=jobs))
        assert [result.estimate and result.estimate.bpm for result in results] == list(range(100, 130))
        assert [os.path.basename(result.path) for result in results] == names

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_unreadable_inputs_become_errors(self, tmp_path: Path, jobs: int) -> None:
        touch(tmp_path, "99.wav", "broken.wav", "101.wav")
        (tmp_path / "folder").mkdir()
        files = [str(tmp_path / name) for name in ("99.wav", "broken.wav", "gone.wav", "101.wav")]
        results = list(estimate_files(FakeEstimator(), [*files, str(tmp_path / "folder")], jobs=jobs))
        assert [result.error for result in results] == [
            None,
            "not audio",
            "No such file or directory",
            None,
            "no audio files in this folder",
        ]
        assert [result.estimate is None for result in results] == [False, True, True, False, True]

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_bugs_are_raised_and_name_the_file(self, tmp_path: Path, jobs: int) -> None:
        touch(tmp_path, "90.wav", "bug.wav", "91.wav")
        results = estimate_files(
            FakeEstimator(), [str(tmp_path / name) for name in ("90.wav", "bug.wav", "91.wav")], jobs=jobs
        )
        assert next(results).estimate
        with pytest.raises(ZeroDivisionError) as caught:
            list(results)
        assert "bug.wav" in caught.value.__notes__[0]

    def test_looks_ahead_no_further_than_it_must(self) -> None:
        taken = []

        def files() -> Iterator[str]:
            for number in range(1000):
                taken.append(number)
                yield f"missing{number}"

        results = estimate_files(FakeEstimator(), files(), jobs=2)
        assert not taken
        for _ in range(10):
            next(results)
        assert len(taken) <= 10 + 2 * 2
        results.close()

    def test_works_in_that_many_threads(self) -> None:
        together = threading.Barrier(3, timeout=10)

        class Waiting:
            def estimate(self, source: object) -> object:
                together.wait()
                return make_estimate(120.0)

        results = list(estimate_files(Waiting(), ["a", "b", "c"], jobs=3))
        assert len(results) == 3

    def test_one_file_is_done_in_the_callers_thread(self) -> None:
        class Where:
            def estimate(self, source: object) -> object:
                assert threading.current_thread() is threading.main_thread()
                return make_estimate(120.0)

        assert len(list(estimate_files(Where(), ["a"], jobs=8))) == 1

    def test_a_dash_is_standard_input_only_where_it_is_given(self) -> None:
        assert next(estimate_files(FakeEstimator(), ["-"], stdin=BytesIO(b"77"))).estimate == make_estimate(
            77.0, model="fake"
        )
        assert next(estimate_files(FakeEstimator(), ["-"])).error == "No such file or directory"

    def test_nothing_gives_nothing(self) -> None:
        assert list(estimate_files(FakeEstimator(), [], jobs=4)) == []
