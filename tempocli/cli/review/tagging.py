"""Corrections into tags, in a thread of its own, so that the page does not wait."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from tempocli.audio.tags import is_same, require
from tempocli.batch.tag_worker import TagWorker
from tempocli.errors import TempoError
from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from tempocli.output.review import ReviewTrack


class Tagger:
    """Write tempi into tags, in the order in which they come.

    An undone correction gets the tempo back that the tag had before; where there was none, the tag stays.

    Parameters
    ----------
    max_memory : int or None
        Memory limit of a file, in bytes.

    Raises
    ------
    MissingExtraError
        If mutagen is not installed.
    """

    def __init__(self, *, max_memory: int | None) -> None:
        require()
        self._worker = TagWorker(max_memory=max_memory)
        self._tasks: queue.Queue[tuple[ReviewTrack, float | None] | None] = queue.Queue()
        self._before: dict[str, str | None] = {}
        self._notes: list[str] = []
        self.n_written = 0
        self._thread = threading.Thread(target=self._work, name="tempo tags of the review", daemon=True)
        self._thread.start()

    @property
    def notes(self) -> list[str]:
        """What could not be written, in printable characters."""
        return list(self._notes)

    def put(self, track: ReviewTrack, bpm: float | None) -> None:
        """Have a tempo written; ``None`` for that which the tag had before."""
        self._tasks.put((track, bpm))

    def close(self) -> None:
        """Wait until all is written, and end."""
        self._tasks.put(None)
        self._thread.join()
        self._worker.close()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            track, bpm = task
            try:
                reason = self._write(track, bpm)
            except (TempoError, OSError) as error:
                reason = getattr(error, "reason", str(error))
            if reason:
                self._notes.append(printable(f"{track.path}: tag not written: {reason}"))

    def _write(self, track: ReviewTrack, bpm: float | None) -> str | None:
        """Write a tempo; return why it is not written."""
        if track.part is not None:
            return "a part's tempo is not the file's"
        old = self._worker.read_tempo(track.path)
        self._before.setdefault(track.path, old)
        if bpm is None:
            before = self._before[track.path]
            try:
                bpm = float(before or "")
            except ValueError:
                return "it had no tempo before, and keeps the one that was undone"
        if old is None or not is_same(old, bpm):
            self._worker.write_tempo(track.path, bpm)
            self.n_written += 1
        return None
