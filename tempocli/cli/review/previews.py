"""Previews of tracks, made on demand by one worker process, and kept as long as there is room."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tempocli.batch.worker_handle import WorkerHandle
from tempocli.embedding.segmentation.preview import PreviewMaker, preview_paths
from tempocli.errors import TempoError

if TYPE_CHECKING:
    from tempocli.embedding.segmentation.segmenter import Segmenter
    from tempocli.output.review import ReviewTrack

_TIMEOUT = 600.0  # seconds a track may take
_MOST_BYTES = 2 << 30  # of sound on the disk


@dataclass(slots=True)
class Preview:
    """The files of a preview, or why there is none."""

    sound: str = ""
    document: str = ""
    error: str = ""
    done: threading.Event = field(default_factory=threading.Event)


class Previews:
    """Make previews, that asked for last first; thread-safe.

    Parameters
    ----------
    segmenter : Segmenter
    folder : str
        Where they are kept.
    max_memory : int or None
        Memory limit of a track, in bytes.
    most_bytes : int
        The oldest previews are removed once all together are larger; the last three are kept.
    """

    def __init__(
        self, segmenter: Segmenter, folder: str, *, max_memory: int | None, most_bytes: int = _MOST_BYTES
    ) -> None:
        maker = PreviewMaker(segmenter, folder)
        self._handle = WorkerHandle(
            maker.portable(), maker.encode, timeout=_TIMEOUT, hashed=False, max_memory=max_memory
        )
        self._folder = folder
        self._most_bytes = most_bytes
        self._change = threading.Condition()
        self._wanted: dict[str, ReviewTrack] = {}  # the last one is made first
        self._kept: dict[str, Preview] = {}  # the one used last is last
        self._making = ""  # key of the track in work
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="tempo previews", daemon=True)
        self._thread.start()

    def get(self, track: ReviewTrack, seconds: float) -> Preview | None:
        """Return the preview of a track, made before all others; None if it is not there in time."""
        with self._change:
            preview = self._kept.pop(track.key, None)
            if preview is None or _is_gone(preview):
                preview = Preview()
            self._kept[track.key] = preview
            if not preview.done.is_set() and track.key != self._making:
                self._wanted.pop(track.key, None)
                self._wanted[track.key] = track
                self._change.notify_all()
        return preview if preview.done.wait(seconds) else None

    def prepare(self, track: ReviewTrack) -> None:
        """Make the preview of a track after those that are waited for."""
        with self._change:
            if track.key not in self._kept:
                self._kept = {track.key: Preview(), **self._kept}
                self._wanted = {track.key: track, **self._wanted}
                self._change.notify_all()

    def close(self) -> None:
        """End the worker process."""
        with self._change:
            self._closed = True
            self._wanted.clear()
            self._change.notify_all()
        self._handle.close()
        self._thread.join(10.0)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._wanted or self._closed)
                if self._closed:
                    return
                key, track = self._wanted.popitem()
                preview = self._kept.setdefault(key, Preview())
                self._making = key
            self._make(track, preview)
            with self._change:
                self._making = ""
                self._discard_oldest()

    def _make(self, track: ReviewTrack, preview: Preview) -> None:
        try:
            error = self._handle.process(track.path, track.part).result.error
        except TempoError as problem:
            error = str(problem)
        if error:
            preview.error = error
        else:
            preview.sound, preview.document = preview_paths(self._folder, track.path, track.part)
        preview.done.set()

    def _discard_oldest(self) -> None:
        sizes = {}
        for key, preview in self._kept.items():
            if preview.sound:
                with suppress(OSError):
                    sizes[key] = os.path.getsize(preview.sound)
        total = sum(sizes.values())
        for key in list(sizes)[:-3]:
            if total <= self._most_bytes:
                return
            total -= sizes[key]
            gone = self._kept.pop(key)
            for path in (gone.sound, gone.document):
                with suppress(OSError):
                    os.remove(path)


def _is_gone(preview: Preview) -> bool:
    """Tell whether the files of a finished preview are no longer there."""
    return preview.done.is_set() and not preview.error and not os.path.exists(preview.sound)
