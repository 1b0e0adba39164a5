"""Recordings of known tempo: a user's own table of files and tempi as a store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tempocli.audio import load_audio
from tempocli.errors import AudioError, DataError
from tempocli.evaluation.annotations import read_references
from tempocli.training.data.prepare import TEMPO_FRONT_END, Prepared
from tempocli.training.data.store import read_index

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tempocli.evaluation.annotations import Reference

log = logging.getLogger("tempocli")

MIN_SECONDS, MAX_SECONDS = 15, 300


def read_labels(table: Path) -> dict[str, Reference]:
    """Read a table of labels: CSV with the columns ``path`` and ``bpm``.

    Returns
    -------
    dict of str to Reference
        By path, in the order of the table.

    Raises
    ------
    DataError
        If the table cannot be read, has an invalid value, or names a path twice.
    """
    labels: dict[str, Reference] = {}
    for row in read_references(table):
        if row.path in labels:
            raise DataError(f"{table}: a second tempo of {row.path}")
        labels[row.path] = row
    return labels


def check_store(folder: Path, labels: Mapping[str, Reference]) -> None:
    """Refuse a store whose clips have other labels: they would be kept.

    Raises
    ------
    DataError
        If a clip of the store has another tempo or group than its label, or no label.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    for clip in read_index(folder):
        label = labels.get(clip.name)
        if label is None or (clip.bpm, clip.group) != (label.bpm, group_of(label)):
            raise DataError(
                f"{folder}: {clip.name} has another label there; delete {folder} to make it again"
            )


def group_of(label: Reference) -> str:
    """Return the group of a label: its column ``group``, or else its path."""
    return label.columns.get("group") or label.path


def make_labelled(name: str, *, folder: Path, labels: Mapping[str, Reference]) -> Prepared | None:
    """Read one file of known tempo, up to 300 s; ``None`` if it is unreadable or shorter than 15 s.

    Parameters
    ----------
    name : str
        Its path, as in `labels`.
    folder : Path
        Folder that the paths are relative to.
    labels : mapping of str to Reference
    """
    front_end = TEMPO_FRONT_END
    try:
        samples = load_audio(folder / name, sample_rate=front_end.sample_rate)
    except AudioError as error:
        log.info("%s", error)
        return None
    if len(samples) < MIN_SECONDS * front_end.sample_rate:
        log.info("%s: shorter than %d s", name, MIN_SECONDS)
        return None
    samples = samples[: MAX_SECONDS * front_end.sample_rate]
    label = labels[name]
    return Prepared(name, front_end.log_mel(samples), label.bpm, "label", group_of(label))
