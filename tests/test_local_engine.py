"""The local engine without a command line, as a page or a script runs it; and the counts of a run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tempocli.batch.engines.local import LocalJob, Observer, Resume, run
from tempocli.batch.engines.output import OutputSpec
from tempocli.batch.engines.summary import EXIT_SOME_FAILED, BatchSummary
from tempocli.output.formats import Layout
from tempocli.schema import AudioInput, FileResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tempocli.batch.engines.output import Sink

pytestmark = pytest.mark.usefixtures("music")


def job(*names: str, output: str | None = "out.jsonl", resume: Resume | None = None) -> LocalJob:
    spec = None if output is None else OutputSpec(output, output.rpartition(".")[2], Layout())
    return LocalJob([AudioInput(name) for name in names], output=spec, resume=resume or Resume())


def rows(path: Path) -> list[tuple[str, float | None]]:
    return [(row["path"], row["bpm"]) for row in map(json.loads, path.read_text().splitlines())]


class Taking(Observer):
    """Takes the results, instead of a file."""

    def __init__(self) -> None:
        self.taken: list[FileResult] = []
        self.seen: list[FileResult] = []

    def sink(self, output: Sink | None) -> Sink:
        assert output is None
        return self

    def write(self, results: Iterable[FileResult]) -> None:
        self.taken.extend(results)

    def counted(self, result: FileResult) -> None:
        self.seen.append(result)


def test_results_go_to_a_file(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = BatchSummary()
    run(job("128.wav", "silent.wav", "broken.wav"), summary)
    assert rows(music / "out.jsonl") == [("128.wav", 128.0), ("silent.wav", None), ("broken.wav", None)]
    counts = (summary.n_results, summary.n_without_tempo, summary.n_failed, dict(summary.reasons))
    assert counts == (3, 1, 1, {"not audio": 1})
    assert summary.exit_status() == EXIT_SOME_FAILED
    # It is for the caller to say something.
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_grow_is_written_whole(music: Path) -> None:
    run(job("128.wav", output="out.json"), BatchSummary())
    assert json.loads((music / "out.json").read_text())["results"][0]["bpm"] == 128.0


def test_a_run_goes_on(music: Path) -> None:
    run(job("128.wav", "broken.wav"), BatchSummary())
    summary = BatchSummary()
    run(job("128.wav", "broken.wav", "music/100.wav", resume=Resume(resume=True)), summary)
    assert (summary.n_results, summary.n_earlier, summary.n_failed_earlier) == (1, 2, 1)
    assert summary.exit_status() == EXIT_SOME_FAILED
    assert len(rows(music / "out.jsonl")) == 3


def test_an_observer_takes_what_goes_to_no_file(music: Path) -> None:
    observer = Taking()
    run(job("128.wav", "bug.wav", output=None), BatchSummary(), observer)
    assert [result.path for result in observer.taken] == ["128.wav", "bug.wav"]
    assert observer.seen == observer.taken


def test_without_output_and_observer_nothing_is_done() -> None:
    with pytest.raises(ValueError, match="needs an observer"):
        run(job("128.wav", output=None), BatchSummary())


def test_a_stopped_run_is_an_interrupt_and_keeps_what_is_done(music: Path) -> None:
    class Stopping(Observer):
        @contextmanager
        def stopping(self) -> Iterator[threading.Event]:
            event = threading.Event()
            event.set()
            yield event

    with pytest.raises(KeyboardInterrupt):
        run(job("128.wav"), BatchSummary(), Stopping())
    assert not (music / "out.jsonl").exists()


@pytest.mark.slow
def test_the_engines_bring_no_command_line() -> None:
    code = "import sys, tempocli.batch.engines.local; print({'click', 'rich', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({}, 1),
        ({"n_results": 2}, 0),
        ({"n_results": 2, "n_failed": 1}, 3),
        ({"n_results": 2, "n_failed": 2}, 1),
        ({"n_results": 2, "n_failed": 2, "n_earlier": 1}, 3),
        ({"n_earlier": 2}, 0),
        ({"n_earlier": 2, "n_failed_earlier": 1}, 3),
        ({"n_earlier": 2, "n_failed_earlier": 2}, 1),
        ({"n_skipped": 2}, 0),
        ({"n_results": 1, "n_untagged": 1}, 3),
    ],
)
def test_exit_status(counts: dict[str, int], status: int) -> None:
    assert BatchSummary(**counts).exit_status() == status  # type: ignore[arg-type]
