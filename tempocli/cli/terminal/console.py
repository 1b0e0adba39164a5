"""stdout for results, stderr for everything else: messages, logging, progress."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

Item = TypeVar("Item")

INTERRUPTED = 130
VERBOSE = "tempocli.verbose"


def silence_libraries() -> None:
    """Keep what C libraries print by themselves away from our streams; call it before any thread starts.

    mpg123 inside libsndfile warns on descriptor 2 about every slightly cut MP3, and libsndfile remarks on
    broken ALAC on descriptor 1, among the results; neither can be switched off. So our own streams move to
    other descriptors, and the old numbers lead nowhere.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream.fileno() != descriptor:
            continue
        stream.flush()
        ours = os.dup(descriptor)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        buffering = 1 if name == "stderr" else -1
        # It stays open as long as the process lives, as the stream it replaces.
        own = open(ours, "w", buffering, encoding=stream.encoding, errors=stream.errors)  # noqa: SIM115
        setattr(sys, name, own)


def configure(*, verbose: bool, quiet: bool) -> None:
    """Send the library's log to stderr: warnings, with -v also information, with -q errors only."""
    import logging

    if verbose and quiet:
        raise click.UsageError("-v/--verbose and -q/--quiet exclude each other.")
    click.get_current_context().meta[VERBOSE] = verbose
    handler = logging.StreamHandler(_stderr)
    handler.setFormatter(logging.Formatter("tempo: %(message)s"))
    logger = logging.getLogger("tempocli")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)


class _Stderr:
    """stderr as it is at the moment of writing: a progress bar puts itself in its place for a while.

    Whatever is written, line feeds alone steer the terminal.
    """

    def write(self, text: str) -> None:
        text = "\n".join(map(printable, text.split("\n")))
        # Nobody may be there to read it; the exit status still tells.
        with suppress(OSError):
            if sys.stderr is not None:
                sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            if sys.stderr is not None:
                sys.stderr.flush()


_stderr = _Stderr()


def error(message: str) -> None:
    """Write one line to stderr."""
    _stderr.write(f"{one_line(message)}\n")
    _stderr.flush()


def one_line(message: str) -> str:
    """Make a message what a line of ours on stderr is."""
    return f"tempo: {printable(message)}"


def os_error(cause: OSError) -> None:
    """Say in one line what the system refused."""
    reason = cause.strerror or str(cause)
    error(reason if cause.filename is None else f"{os.fsdecode(cause.filename)}: {reason}")


def bug(cause: Exception, *, verbose: bool) -> None:
    """Report an exception that nobody foresaw: in one line, or with its traceback when `verbose`."""
    if verbose:
        import traceback

        _stderr.write("".join(traceback.format_exception(cause)))
    where = "".join(f" {note}" for note in getattr(cause, "__notes__", ()))
    hint = "please report this" if verbose else "run again with -v for the traceback, and please report it"
    error(f"internal error{where}: {type(cause).__name__}: {cause} ({hint})")


def stdout() -> BinaryIO:
    """Return the byte stream that results go to."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    return sys.stdout.buffer


def write(data: bytes) -> None:
    """Write results to stdout so that they arrive at once.

    Raises
    ------
    OSError
        Named "standard output", when they do not.
    """
    try:
        stdout().write(data)
    except OSError as cause:
        raise _of_stdout(cause) from cause
    flush()


def stdin() -> BinaryIO:
    """Return the byte stream that ``-`` stands for."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard input")
    return sys.stdin.buffer


def stdout_is_terminal() -> bool:
    """Tell whether a person reads the results."""
    return sys.stdout is not None and sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Tell whether a person sees progress."""
    return sys.stderr is not None and sys.stderr.isatty()


def flush() -> None:
    """Write out what is left, where a full disk or a closed pipe can still be reported."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as cause:
            raise _of_stdout(cause) from cause


def _of_stdout(cause: OSError) -> OSError:
    return OSError(cause.errno, cause.strerror, "standard output")


def abandon_stdout() -> None:
    """Let what could not be written go, or the interpreter would complain about it at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def results_console() -> Console:
    """Make the rich console for results on a terminal."""
    from rich.console import Console

    # A terminal that cannot show a character of a name is no reason to fail.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False, markup=False, emoji=False)


def track(results: Iterable[Item], total: int) -> Iterator[Item]:
    """Pass items on, and show on stderr how many of `total` there have been."""
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("files"),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        # Results go where they belong; lines on stderr are moved above the bar.
        redirect_stdout=False,
        transient=True,
    )
    with bar:
        yield from bar.track(results, total=total)
