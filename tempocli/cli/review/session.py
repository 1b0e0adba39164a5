"""What the page asks for, as JSON values: tracks in pages, previews, corrections."""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tempocli.output.formats.layout import printable
from tempocli.output.review import Correction

if TYPE_CHECKING:
    from tempocli.cli.review.previews import Preview, Previews
    from tempocli.cli.review.tagging import Tagger
    from tempocli.output.review import CorrectionLog, ReviewTrack

PAGE = 200  # most tracks in one answer
_MIN_BPM, _MAX_BPM = 10.0, 999.0
_AHEAD = 2  # tracks whose previews are made before they are asked for
_WAIT_SECONDS = 20.0


class RequestError(Exception):
    """A request that cannot be answered; with its HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ReviewSession:
    """The tracks under review and what is known of them; thread-safe.

    Parameters
    ----------
    name : str
        Name of the result file.
    tracks : list of ReviewTrack
        In the order of the page.
    log : CorrectionLog
    previews : Previews
    tagger : Tagger, optional
        Writes corrections into tags.
    """

    def __init__(
        self,
        name: str,
        tracks: list[ReviewTrack],
        log: CorrectionLog,
        previews: Previews,
        tagger: Tagger | None = None,
    ) -> None:
        self._name = name
        self._tracks = tracks
        self._log = log
        self._previews = previews
        self._tagger = tagger
        self._index = {track.key: number for number, track in enumerate(tracks)}
        # By it a page knows whether what it has kept is of these tracks.
        joined = "\n".join((log.path, *self._index))
        self._id = blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def __len__(self) -> int:
        return len(self._tracks)

    def info(self) -> dict[str, Any]:
        """Return what the page needs at its start."""
        return {
            "id": self._id,
            "name": printable(self._name),
            "log": printable(self._log.path),
            "total": len(self._tracks),
            "page": PAGE,
            "tags": self._tagger is not None,
            **self.changes(self._log.version),
        }

    def changes(self, since: int) -> dict[str, Any]:
        """Return the tracks that changed after a version, and the state of the whole."""
        numbers = [self._index[key] for key in self._log.changed_since(since) if key in self._index]
        last = self._log.last()
        return {
            "version": self._log.version,
            "changed": {number: self._state(self._tracks[number]) for number in numbers},
            "last": None if last is None else self._index.get(last),
            "done": self._done(),
            "notes": [] if self._tagger is None else self._tagger.notes[-5:],
        }

    def rows(self, offset: int, limit: int) -> dict[str, Any]:
        """Return some rows of the list."""
        some = self._tracks[max(0, offset) : max(0, offset) + min(max(0, limit), PAGE)]
        return {"offset": max(0, offset), "rows": [self._row(track) for track in some]}

    def next_open(self, after: int) -> dict[str, Any]:
        """Return the number of the first track after another that has no correction, from the start again."""
        n_tracks = len(self._tracks)
        for step in range(1, n_tracks + 1):
            number = (after + step) % n_tracks
            if self._log.current(self._tracks[number].key) is None:
                return {"number": number}
        return {"number": None}

    def track(self, number: int) -> dict[str, Any]:
        """Return all that the result file says about a track."""
        track = self._track(number)
        return {
            **self._row(track),
            "number": number,
            "path": printable(track.path),
            "duration": track.duration,
            "reason": track.reason,
            "start": 0.0 if track.part is None else track.part.start,
            "candidates": [[each.bpm, each.probability] for each in track.candidates[:5]],
            "sections": [[each.start, each.end, each.bpm] for each in track.sections],
        }

    def preview(self, number: int) -> bytes:
        """Return the JSON object of a preview; ``{"waiting": true}`` if it takes longer.

        Raises
        ------
        RequestError
            If the track cannot be read.
        """
        preview = self._preview(number)
        for ahead in self._tracks[number + 1 : number + 1 + _AHEAD]:
            self._previews.prepare(ahead)
        if preview is None:
            return b'{"waiting": true}'
        try:
            with open(preview.document, "rb") as file:
                return file.read()
        except OSError as error:
            raise RequestError(503, "the preview is gone: ask again") from error

    def sound(self, number: int) -> str:
        """Return the path of the WAV file of a track, which was made by this program."""
        preview = self._preview(number)
        if preview is None:
            raise RequestError(503, "not there yet")
        return preview.sound

    def act(self, request: Any) -> dict[str, Any]:
        """Write a correction, an acceptance or an undo; return the changes.

        Raises
        ------
        RequestError
            400 for a request that makes no sense, 409 if the track was changed by another page.
        """
        if not isinstance(request, dict):
            raise RequestError(400, "not an object")
        number, seen, action = request.get("number"), request.get("seen"), request.get("action")
        if type(number) is not int or type(seen) is not int:
            raise RequestError(400, "number and seen are needed")
        track, before = self._track(number), self._log.version
        if action == "undo":
            done = self._log.undo(track.path, track.part, seen=seen)
        elif action in {"correct", "accept"}:
            correction = Correction(action, _bpm(request.get("bpm")), _time(request.get("first_beat")))
            done = self._log.add(track.path, track.part, correction, seen=seen)
        else:
            raise RequestError(400, "action is correct, accept or undo")
        if done and self._tagger is not None:
            now = self._log.current(track.key)
            self._tagger.put(track, None if now is None else now.bpm)
        return {**self.changes(before), "conflict": not done, "state": self._state(track)}

    def _track(self, number: int) -> ReviewTrack:
        if not 0 <= number < len(self._tracks):
            raise RequestError(404, "no such track")
        return self._tracks[number]

    def _preview(self, number: int) -> Preview | None:
        preview = self._previews.get(self._track(number), _WAIT_SECONDS)
        if preview is not None and preview.error:
            raise RequestError(422, printable(preview.error))
        return preview

    def _row(self, track: ReviewTrack) -> dict[str, Any]:
        folder, name = os.path.split(track.path)
        title = "" if track.part is None else track.part.title or f"from {track.part.start:g} s"
        return {
            "title": printable(f"{name} ({title})" if title else name),
            "folder": printable(folder),
            "bpm": track.bpm,
            "confidence": track.confidence,
            "octave": track.octave_confidence,
            "state": self._state(track),
        }

    def _state(self, track: ReviewTrack) -> dict[str, Any]:
        now = self._log.current(track.key)
        seen = self._log.rows_of(track.key)
        if now is None:
            return {"seen": seen, "action": None, "bpm": None, "first": None}
        return {"seen": seen, "action": now.action, "bpm": now.bpm, "first": now.first_beat}

    def _done(self) -> int:
        return sum(self._log.counts().values())


def parsed(body: bytes) -> Any:
    """Return the JSON value of a request; raise RequestError if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "not JSON") from error


def _bpm(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _MIN_BPM <= value <= _MAX_BPM:
        raise RequestError(400, f"bpm is not between {_MIN_BPM:g} and {_MAX_BPM:g}")
    return round(float(value), 3)


def _time(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -60.0 <= value <= 1e9:
        raise RequestError(400, "first_beat is not a time in seconds")
    return round(float(value), 3)
