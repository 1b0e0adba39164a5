"""The worker process: reads and processes files; windows may be encoded by another process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from tempocli.errors import AudioError, ModelError, TempoError
from tempocli.schema import FileResult
from tempocli.system.fingerprints import fingerprint_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tempocli.inference.classifier import Encode
    from tempocli.schema import AudioInput, Outcome, Part
    from tempocli.system.fingerprints import Fingerprint

logger = logging.getLogger(__name__)

# Linux kills the process with the highest score when memory runs out: a worker, not the whole batch.
_OOM_SCORE = "500"


class Processor(Protocol):
    """Interface of what finds out something about one file, such as `tempocli.estimator.Estimator`."""

    def process(
        self, source: str | Path | BinaryIO, /, *, start: float = ..., duration: float | None = ...
    ) -> Outcome:
        """Process one file; raise AudioError if it cannot be read."""


class Portable(Protocol):
    """A picklable processor without its model, such as `tempocli.estimator.PortableEstimator`."""

    def connect(self, encode: Encode, /) -> Processor:
        """Create a processor, which may encode by `encode`; raise TempoError if that fails."""


@dataclass(frozen=True, slots=True)
class Task:
    """A file to process, or a part of it."""

    path: str
    hashed: bool
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Windows:
    """A request to encode windows; the answer is logits and embeddings."""

    data: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a task and its log records."""

    result: FileResult
    records: list[logging.LogRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ready:
    """Message that the worker has started, or failed to start for the reason in `error`."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """Message that the model failed; not an error of the file. The worker ends."""

    error: str


class _Abandoned(BaseException):
    """The other end of the channel is closed; not an error of the file."""


def serve(channel: Connection, portable: Portable, log_level: int) -> None:
    """Process files until the other end of `channel` is closed; the target of a process."""
    protect_the_batch()
    records = _collect_log(log_level)

    def encode(windows: Any) -> Any:
        try:
            channel.send(Windows(windows))
            return channel.recv()
        except (EOFError, OSError) as error:
            raise _Abandoned from error

    # The process at the other end may end at any moment; no clean-up is needed then.
    with suppress(EOFError, OSError, _Abandoned):
        try:
            processor = portable.connect(encode)
        except TempoError as error:
            channel.send(Ready(str(error)))
            return
        channel.send(Ready())
        while True:
            task: Task = channel.recv()
            try:
                result = process_file(processor, task.path, hashed=task.hashed, part=task.part)
            except ModelError as error:
                channel.send(Broken(str(error)))
                return
            channel.send(Done(result, records.copy()))
            records.clear()


def refused(wanted: AudioInput) -> FileResult:
    """Return the result of an input that is refused without reading it."""
    fingerprint = fingerprint_of(wanted.path)
    return FileResult(wanted.path, error=wanted.refusal, fingerprint=fingerprint)


def process_file(
    processor: Processor,
    path: str,
    *,
    source: BinaryIO | None = None,
    hashed: bool = False,
    part: Part | None = None,
) -> FileResult:
    """Process one file, or a stream named `path`; errors become the result of that file.

    Raises
    ------
    ModelError
        If the model fails.
    """
    fingerprint = None
    span: dict[str, Any] = {} if part is None else {"start": part.start, "duration": part.duration}
    try:
        if source is not None:
            return _found(path, processor.process(source, **span))
        fingerprint = fingerprint_of(path, hashed=hashed)
        return _found(path, processor.process(path, **span), fingerprint)
    except AudioError as error:
        return FileResult(
            path, error=(source is None and _folder_error(path)) or error.reason, fingerprint=fingerprint
        )
    except ModelError:
        raise
    except MemoryError:
        return FileResult(path, error="too little memory", fingerprint=fingerprint)
    except OSError as error:
        return FileResult(path, error=error.strerror or str(error), fingerprint=fingerprint)
    except Exception as error:
        logger.info("%r: %s", path, traceback.format_exc())
        reason = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return FileResult(path, error=f"{reason} (please report this)", fingerprint=fingerprint)


def _found(path: str, outcome: Outcome, fingerprint: Fingerprint | None = None) -> FileResult:
    return FileResult(
        path,
        estimate=outcome.estimate,
        fingerprint=fingerprint,
        embedding=outcome.embedding,
        beats=outcome.beats,
        form=outcome.form,
        evidence=outcome.evidence,
    )


def _folder_error(path: str) -> str | None:
    if not os.path.isdir(path):
        return None
    try:
        os.scandir(path).close()
    except OSError as error:
        return error.strerror or str(error)
    return "no audio files in this folder"


def protect_the_batch() -> None:
    """Ignore Ctrl-C, end together with the parent process, and be killed first by Linux."""
    # Ctrl-C reaches all processes of a terminal; only the main process handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(_OOM_SCORE)
    parent = parent_process()
    if parent is not None:
        # Otherwise the end of the batch would not be noticed during a file or in a hanging decoder.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class _Collector(logging.Handler):
    """Collect log records for the process that shows them."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None  # the arguments may not pickle
        self._records.append(record)


def _collect_log(level: int) -> list[logging.LogRecord]:
    records: list[logging.LogRecord] = []
    ours = logging.getLogger("tempocli")
    ours.handlers[:] = [_Collector(records)]
    ours.setLevel(level)
    ours.propagate = False
    return records
