"""Resolve paths to inputs of a batch: files, folders, lists of files, and parts of them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from tempocli.audio.files.discovery import Selection, find_files
from tempocli.audio.files.entries import is_list, is_url
from tempocli.audio.files.lists import read_list
from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tempocli.schema import Part

_EVERYTHING = Selection()


def find_inputs(
    paths: Iterable[str | Path],
    selection: Selection = _EVERYTHING,
    *,
    part: Part | None = None,
    quiet: bool = False,
) -> Iterator[AudioInput]:
    """List the inputs that `paths` stand for.

    An M3U, M3U8, PLS or CUE file stands for what it lists, see `tempocli.audio.files.lists.read_list`;
    all else for what `tempocli.batch.find_files` makes of it. Lists within folders are not read.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, folders and lists, which need not exist.
    selection : Selection
        Selects the files of folders.
    part : Part, optional
        Part of each input; for a track of a CUE sheet, a part of the track.
    quiet : bool
        Whether to log no notes, for example when inputs are only counted.

    Yields
    ------
    AudioInput
    """
    for each in paths:
        path = os.fspath(each)
        if is_url(path):
            refusal = "a list of files must be a file of this machine" if is_list(path) else None
            inputs: Iterable[AudioInput] = (AudioInput(path, refusal=refusal),)
        elif is_list(path) and not os.path.isdir(path):
            inputs = read_list(path, quiet=quiet)
        else:
            inputs = (AudioInput(found) for found in find_files([path], selection))
        for found in inputs:
            yield found if part is None else _narrowed(found, part)


def _narrowed(whole: AudioInput, part: Part) -> AudioInput:
    if whole.refusal is not None:
        return whole
    if whole.part is None:
        return replace(whole, part=part)
    try:
        return replace(whole, part=whole.part.narrowed(part))
    except ValueError as error:
        return replace(whole, refusal=str(error))
