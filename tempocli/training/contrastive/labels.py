"""Labels of composed music, and how far the labels of two clips agree (Guinot 2024)."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tempocli.axis import TOLERANCE
from tempocli.errors import DataError
from tempocli.training.data.store import DRUM_PROGRAM
from tempocli.training.synth.styles import load_styles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tempocli.training.data.store import Clip

Floats = NDArray[np.float32]

_PROGRAMS = DRUM_PROGRAM + 1
_UNNAMED = {"audio", "midi", "solo", "clicks", "speech"}
# MMA has several grooves of one style: HipHop, HipHopSus, HipHop1, HipHopSusPlus.
_VARIANT = re.compile(r"(Sus|Plus|Walk|Alt|Intro|End|Fill|\d)+$")


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of a view of a clip.

    Attributes
    ----------
    style : str
        Empty if it is not known.
    programs : frozenset of int
        General MIDI programs that play; empty if they are not known.
    bpm : float
        Tempo of the view, stretched as it is; 0 if it is not known.
    metre : int
        Beats of a bar; 0 if they are not known.
    """

    style: str = ""
    programs: frozenset[int] = frozenset()
    bpm: float = 0.0
    metre: int = 0


def labels_of(clip: Clip, rate: float) -> Labels:
    """Return the labels of a clip that is played at a rate."""
    style = _VARIANT.sub("", clip.style.split(":")[-1])
    return Labels(
        style="" if style in _UNNAMED else style,
        programs=frozenset(clip.programs),
        bpm=0.0 if clip.bpm is None else clip.bpm * rate,
        metre=max((position for _, position in clip.beats), default=0),
    )


def is_labelled(clip: Clip, share: float) -> bool:
    """Return whether a clip is among the share of clips whose labels are used; the same in every run."""
    return zlib.crc32(f"labelled {clip.group}".encode()) < share * 2**32


def _same_style(labels: Sequence[Labels]) -> Floats:
    styles = np.array([each.style for each in labels])
    return np.asarray((styles[:, None] == styles) & (styles != ""), np.float32)


def _same_programs(labels: Sequence[Labels]) -> Floats:
    played = np.zeros((len(labels), _PROGRAMS), np.float32)
    for row, each in zip(played, labels, strict=True):
        row[list(each.programs)] = 1.0
    totals = played.sum(axis=1)
    return np.asarray(2.0 * (played @ played.T) / np.maximum(totals[:, None] + totals, 1.0), np.float32)


def _same_tempo(labels: Sequence[Labels]) -> Floats:
    bpms = np.array([each.bpm for each in labels])
    known = bpms > 0.0
    logs = np.log2(np.where(known, bpms, 1.0))
    close = np.abs(logs[:, None] - logs) <= np.log2(1.0 + TOLERANCE)
    return np.asarray(close & known & known[:, None], np.float32)


def _same_metre(labels: Sequence[Labels]) -> Floats:
    metres = np.array([each.metre for each in labels])
    return np.asarray((metres[:, None] == metres) & (metres != 0), np.float32)


AGREEMENT: dict[str, Callable[[Sequence[Labels]], Floats]] = {
    "style": _same_style,
    "programs": _same_programs,
    "tempo": _same_tempo,
    "metre": _same_metre,
}


def agreement(labels: Sequence[Labels], kinds: Sequence[str]) -> NDArray[np.float32]:
    """Return how far the labels of views agree, as the mean over kinds of labels.

    Parameters
    ----------
    labels : sequence of Labels
        Of n views.
    kinds : sequence of str
        Keys of `AGREEMENT`; programs agree by the Dice coefficient, the others do or do not.

    Returns
    -------
    ndarray of float32, shape=(n, n)
        0 to 1, symmetric; 0 where a label is not known, and on the diagonal.

    Raises
    ------
    DataError
        If there is no such kind, or none.
    """
    unknown = [kind for kind in kinds if kind not in AGREEMENT]
    if unknown or not kinds:
        raise DataError(f"labels {', '.join(unknown) or 'none'}: choose some of {', '.join(AGREEMENT)}")
    values = np.asarray(np.mean([AGREEMENT[kind](labels) for kind in kinds], axis=0), np.float32)
    np.fill_diagonal(values, 0.0)
    return values


def has_labels(clip: Clip, kinds: Sequence[str]) -> bool:
    """Return whether a label of one of the kinds is known of a clip."""
    labels = labels_of(clip, 1.0)
    return bool(agreement([labels, labels], kinds).any())


_STYLES = {style.name: number for number, style in enumerate(load_styles())}
_METRES = range(2, 8)
_SLOWEST, _TEMPO_CLASSES, _CLASS_WIDTH = 30.0, 30, 1.08
_SIZES = {
    "style": len(_STYLES),
    "programs": _PROGRAMS,
    "tempo": _TEMPO_CLASSES,
    "metre": len(_METRES),
}


def n_targets(kinds: Sequence[str]) -> int:
    """Return the number of labels that `targets` has."""
    return sum(_SIZES[kind] for kind in kinds)


def targets(labels: Sequence[Labels], kinds: Sequence[str]) -> NDArray[np.float32]:
    """Return the labels of views as what a network predicts.

    Parameters
    ----------
    labels : sequence of Labels
        Of n views.
    kinds : sequence of str
        Keys of `AGREEMENT`. Styles are those of the composer; tempi are in classes 8 % wide from 30 BPM on.

    Returns
    -------
    ndarray of float32, shape=(n, n_targets(kinds))
        1 for a label that applies, 0 for one that does not, NaN where nothing is known of the kind.
    """
    return np.stack([np.concatenate([_TARGETS[kind](each) for kind in kinds]) for each in labels])


def _one_of(size: int, numbers: Iterable[int]) -> NDArray[np.float32]:
    values = np.full(size, np.nan, np.float32)
    for number in numbers:
        values = np.nan_to_num(values)
        values[number] = 1.0
    return values


def _style_target(labels: Labels) -> NDArray[np.float32]:
    known = [_STYLES[labels.style]] if labels.style in _STYLES else []
    return _one_of(len(_STYLES), known)


def _tempo_target(labels: Labels) -> NDArray[np.float32]:
    if not labels.bpm:
        return _one_of(_TEMPO_CLASSES, [])
    number = int(np.log(labels.bpm / _SLOWEST) / np.log(_CLASS_WIDTH))
    return _one_of(_TEMPO_CLASSES, [min(_TEMPO_CLASSES - 1, max(0, number))])


def _metre_target(labels: Labels) -> NDArray[np.float32]:
    return _one_of(len(_METRES), [_METRES.index(labels.metre)] if labels.metre in _METRES else [])


_TARGETS: dict[str, Callable[[Labels], NDArray[np.float32]]] = {
    "style": _style_target,
    "programs": lambda labels: _one_of(_PROGRAMS, labels.programs),
    "tempo": _tempo_target,
    "metre": _metre_target,
}
