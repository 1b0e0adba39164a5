"""``tempo compare``: whether recordings share a tempo."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tempocli.batch.engines.summary import EXIT_SOME_FAILED
from tempocli.batch.memory import DEFAULT_MAX_MEMORY, MemoryLimitError, call_within
from tempocli.cli import options
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.errors import AudioError, TempoError
from tempocli.output.formats.layout import encode, escape
from tempocli.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.comparison import TempoComparison


EXIT_DIFFERENT = 1

_EXAMPLES = """\b
Examples:
  tempo compare song.mp3 remix.mp3                 same or different, probability, tempo ratio
  tempo compare -q a.wav b.wav && echo they mix    use only the exit status
  tempo compare loop.wav *.flac --format json

In a pipe, text output is one line per target with PATH, same or different, probability, ratio (target /
reference), separated by tabs. Exit status: 0 all targets have the tempo of the reference, 1 some do not, 2
usage error, 3 an input could not be read or compared, or the model or device is not available, 130
interrupted.
"""


@click.command("compare", epilog=_EXAMPLES)
@click.argument("reference", shell_complete=completion.files)
@click.argument("targets", nargs=-1, required=True, shell_complete=completion.files)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option(
    "--model",
    shell_complete=completion.models("compare"),
    default="compare",
    metavar="NAME|PATH",
    show_default=True,
    help="Comparison model: name (see 'tempo models') or path of an ONNX file.",
)
@options.device
@click.option("-v", "--verbose", is_flag=True, help="Log steps and the device to stderr.")
@click.option("-q", "--quiet", is_flag=True, help="No output except errors; use the exit status.")
@click.pass_context
def command(
    context: click.Context,
    reference: str,
    targets: tuple[str, ...],
    format_name: str,
    model: str,
    device: str,
    verbose: bool,
    quiet: bool,
) -> None:
    """Compare the tempi of TARGETS with the tempo of REFERENCE: same or different, and their ratio."""
    console.configure(verbose=verbose, quiet=quiet)
    try:
        show = format_name == "text" and not quiet
        results = _compare(reference, targets, model, device, show=show)
    except TempoError as error:
        # The error's own exit code may be 1, which here means that the tempi differ.
        console.error(str(error))
        context.exit(EXIT_SOME_FAILED)
    if format_name == "json" and not quiet:
        records = [_record(path, *result) for path, result in zip(targets, results, strict=True)]
        document = {"schema_version": SCHEMA_VERSION, "reference": reference, "results": records}
        console.write(encode(json.dumps(document, indent=2) + "\n"))
    context.exit(_exit_code([relation for relation, _ in results]))


def _compare(
    reference: str, targets: tuple[str, ...], model: str, device: str, *, show: bool
) -> list[tuple[TempoComparison | None, str | None]]:
    """Compare all targets; report each as soon as it is done, as text if `show` is true."""
    results = []
    as_table = show and console.stdout_is_terminal()
    try:
        for path, relation, error in _relations(reference, targets, model, device):
            results.append((relation, error))
            if error is not None:
                console.error(f"{path}: {error}")
            elif relation is not None and relation.reason is not None:
                console.error(f"{path}: cannot be compared: {relation.reason}")
            elif show and not as_table and relation is not None:
                console.write(encode(_line(escape(path), relation)))
    finally:
        # Also after an interrupt: those that are done.
        if as_table and results:
            from tempocli.cli.terminal.comparisons import show_comparisons

            show_comparisons(reference, list(zip(targets, results, strict=False)))
    return results


def _relations(
    reference: str, targets: tuple[str, ...], model: str, device: str
) -> Iterator[tuple[str, TempoComparison | None, str | None]]:
    from tempocli.comparison import TempoComparer

    comparer = TempoComparer(model, device=device)
    try:
        first = call_within(DEFAULT_MAX_MEMORY, reference, partial(comparer.analyse, reference))
    except AudioError as error:
        for path in targets:
            yield path, None, f"the reference {error}"
        return
    left = iter(targets)
    for path in left:
        try:
            heard = call_within(DEFAULT_MAX_MEMORY, path, partial(comparer.analyse, path))
        except MemoryLimitError as error:
            yield path, None, error.reason
            # Its decoder is still running and would use more memory while others are compared.
            yield from ((other, None, f"not compared, since {error}") for other in left)
        except AudioError as error:
            yield path, None, error.reason
        else:
            yield path, comparer.compare(first, heard), None


def _exit_code(relations: list[TempoComparison | None]) -> int:
    if any(relation is None or relation.reason is not None for relation in relations):
        return EXIT_SOME_FAILED
    return 0 if all(relation is not None and relation.same for relation in relations) else EXIT_DIFFERENT


def _line(name: str, relation: TempoComparison) -> str:
    verdict = "same" if relation.same else "different"
    return f"{name}\t{verdict}\t{relation.probability:.4f}\t{relation.ratio:.4f}\n"


def _record(path: str, relation: TempoComparison | None, error: str | None) -> dict[str, Any]:
    if relation is None or relation.probability is None or relation.ratio is None:
        reason = relation.reason if relation is not None else None
        return {
            "path": path,
            "same": None,
            "probability": None,
            "ratio": None,
            "reason": reason,
            "error": error,
        }
    return {
        "path": path,
        "same": relation.same,
        "probability": round(relation.probability, 6),
        "ratio": round(relation.ratio, 5),
        "reason": None,
        "error": None,
    }
