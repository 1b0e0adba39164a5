"""The inputs of a command: PATHS, standard input, lists of files."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import click

from tempocli.audio.files.entries import is_list
from tempocli.batch import Selection, find_inputs
from tempocli.cli.standard_input import limited
from tempocli.cli.terminal import console
from tempocli.errors import DataError
from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.schema import Part

_CHUNK = 65536
_LONGEST_PATH = 65536  # bytes; systems allow 4,096, and 32,767 characters
MAX_STDIN = 4 * 10**9  # bytes: six hours of CD audio


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a command.

    Attributes
    ----------
    paths : tuple of str
        Files, folders, lists (M3U, PLS, CUE), and ``-`` for standard input.
    files_from : str or None
        A file that lists more inputs, or ``-`` for standard input.
    null_separated : bool
        Whether paths in the list end with a null character instead of a line break.
    selection : Selection
        Which files to take from folders.
    part : Part or None
        The part of each input to read; ``None`` for the whole input.
    max_stdin : int or None
        Maximum number of bytes to read from standard input for ``-``, if the command has an option for it;
        otherwise `MAX_STDIN`.
    """

    paths: tuple[str, ...]
    files_from: str | None
    null_separated: bool
    selection: Selection = field(default_factory=Selection)
    part: Part | None = None
    max_stdin: int | None = None

    def check(self) -> None:
        """Check the inputs.

        Raises
        ------
        click.UsageError
            If there are no inputs, or the options contradict each other.
        """
        if not self.paths and self.files_from is None:
            raise click.UsageError("No inputs: give PATHS, '-' for standard input, or --files-from.")
        if self.null_separated and self.files_from is None:
            raise click.UsageError("-0/--null needs --files-from.")
        if self.paths.count("-") + (self.files_from == "-") > 1:
            raise click.UsageError("Standard input can be read only once.")

    @property
    def single(self) -> bool:
        """Whether there is exactly one input that is neither a folder nor a list."""
        if self.files_from is not None or len(self.paths) != 1:
            return False
        return not _is_folder(self.paths[0]) and not is_list(self.paths[0])

    @property
    def can_be_counted(self) -> bool:
        """Whether `files` can be iterated over twice."""
        return self.files_from is None or os.path.isfile(self.files_from)

    def stdin(self) -> BinaryIO:
        """Return the byte stream that ``-`` stands for."""
        if self.max_stdin is None:
            return limited(console.stdin(), MAX_STDIN)
        return limited(console.stdin(), self.max_stdin, option="--max-stdin")

    def names(self) -> Iterator[str]:
        """Yield the paths as given, without expanding folders and lists."""
        yield from self.paths
        if self.files_from is not None:
            yield from self._listed()

    def files(self, *, quiet: bool = False) -> Iterator[AudioInput]:
        """Yield the inputs as they are found, with folders and lists expanded; no notes if `quiet`."""
        for path in self.paths:
            if path == "-":
                yield AudioInput(path, self.part)
            else:
                yield from find_inputs([path], self.selection, part=self.part, quiet=quiet)
        if self.files_from is not None:
            yield from find_inputs(self._listed(), self.selection, part=self.part, quiet=quiet)

    def _listed(self) -> Iterator[str]:
        if self.files_from == "-":
            yield from self._names(console.stdin())
        elif self.files_from is not None:
            with open(self.files_from, "rb") as file:
                yield from self._names(file)

    def _names(self, file: BinaryIO) -> Iterator[str]:
        for name in _null_separated(file) if self.null_separated else _lines(file):
            if name:
                # In a list, "-" is a file name; only PATHS can name standard input.
                yield "./-" if name == b"-" else os.fsdecode(name)


def _is_folder(path: str) -> bool:
    return path != "-" and os.path.isdir(path)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for index, line in enumerate(iter(lambda: file.readline(_LONGEST_PATH + 2), b"")):
        _check_length(line)
        if b"\0" in line:
            raise DataError("the list of files has null bytes between its paths: read it with -0")
        yield (line if index else line.removeprefix(BOM_UTF8)).rstrip(b"\r\n")


def _null_separated(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
        _check_length(rest)
    yield rest


def _check_length(path: bytes) -> None:
    # A path without an end would fill the memory.
    if len(path) > _LONGEST_PATH + 1:
        raise DataError(f"the list of files has a path of more than {_LONGEST_PATH:,} bytes")
