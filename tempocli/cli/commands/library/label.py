"""``tempo label``: label tracks with a probe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli import batches, options
from tempocli.cli.config.settings import asked_format
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand
from tempocli.output.formats.layout import encode, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.cli.batches import BatchOptions
    from tempocli.cli.options import PartOptions
    from tempocli.embedding.probes import Probe
    from tempocli.schema import FileResult

_LIKELY = 0.5
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".txt": "text"}
# Fields that say what a track is.
_RESERVED = {"TITLE", "ARTIST", "ALBUM", "ALBUMARTIST", "DATE", "TRACKNUMBER", "DISCNUMBER", "BPM", "ISRC"}

_EXAMPLES = """\b
Examples:
  tempo label song.mp3 --probe mood.probe                 its labels
  tempo label ~/Music --probe mood.probe -o moods.csv     the probability of each label of each track
  tempo label ~/Music --probe mood.probe --format jsonl | jq .labels
  tempo label ~/Music --probe mood.probe --write-tags MOOD --dry-run

Text has the labels with a probability over 0.5; of a probe of one label a track, the most probable one.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


def _field(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    """Check the name of a field of tags; a click callback."""
    if text is None:
        return None
    name = text.strip().upper()
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9 _]{0,40}", name, re.ASCII):
        raise click.BadParameter(f"{text!r} is no name of a field, such as MOOD.", context, parameter)
    if name in _RESERVED:
        raise click.BadParameter(
            f"{name} is not overwritten with labels; choose another field.", context, parameter
        )
    return name


@click.command("label", cls=GroupedCommand, epilog=_EXAMPLES)
@batches.batch
@options.part
@click.option(
    "--probe",
    "probe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A probe made by 'tempo train probe'.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    help="Write to FILE (.csv, .jsonl, .txt) atomically.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "csv", "jsonl"]),
    help="Output format.  [default: from the extension of --output, else text]",
)
@click.option(
    "--write-tags",
    "field",
    metavar="FIELD",
    callback=_field,
    help="Write the labels into the field FIELD of the tags, such as MOOD (requires extra 'tags').",
)
@click.option("--overwrite", is_flag=True, help="With --write-tags, replace other values.")
@click.option("--dry-run", is_flag=True, help="With --write-tags, show the changes without writing.")
@options.embedding_model
@options.device
def command(
    paths: tuple[str, ...],
    batch: BatchOptions,
    part: PartOptions,
    probe_file: Path,
    output: str | None,
    format_name: str | None,
    field: str | None,
    overwrite: bool,
    dry_run: bool,
    model: str | None,
    device: str,
) -> None:
    """Label tracks with a probe that was trained on your own labels, with calibrated probabilities.

    PATHS are files, folders, playlists, CUE sheets, or '-' for standard input, as for 'tempo estimate'.
    """
    inputs = batch.inputs(paths, part.of_files())
    output = None if output == "-" else output
    format_name = asked_format(format_name, output, _SUFFIXES) or _format_of(output)
    options.check_overwrites((output,), (*paths, batch.files_from, str(probe_file)))
    if (overwrite or dry_run) and field is None:
        raise click.UsageError("--overwrite and --dry-run need --write-tags.")
    if field is not None and ("-" in paths or inputs.part is not None):
        raise click.UsageError("--write-tags goes with whole files only.")
    from contextlib import ExitStack

    from tempocli.batch.engines.summary import EXIT_SOME_FAILED
    from tempocli.cli.commands.library.label_tags import LabelTags
    from tempocli.embedding.embedder import Embedder
    from tempocli.embedding.probes import Probe
    from tempocli.system.atomic_files import atomic_file

    with ExitStack() as stack:
        # Opened before the work, so that an error does not lose a long run.
        file = None if output is None else stack.enter_context(atomic_file(output))
        embedder = Embedder(model, device=device)
        probe = Probe(probe_file, embedder.spec)
        write: Callable[[bytes], Any] = console.write if file is None else file.write
        line = _LINES[format_name]
        tagger = None
        if field is not None:
            tagger = stack.enter_context(LabelTags(field, batch, overwrite=overwrite, dry_run=dry_run))
        if format_name == "csv":
            write(encode(_csv_row(["path", *probe.labels])))
        n_labelled = 0

        def receive(result: FileResult) -> None:
            nonlocal n_labelled
            track = result.embedding
            if track is None:
                return
            n_labelled += 1
            found = {} if track.reason is not None else probe.probabilities(track.parts)
            write(encode(line(result.path, found, probe, inputs.single)))
            if tagger is not None and found:
                tagger.tag(result, _likely(found, probe))

        status = batches.run(embedder, batch, inputs, receive, bar=output is not None)
        if file is not None and not n_labelled:
            # Leaves the block by an exception, so that no empty file replaces a good one.
            click.get_current_context().exit(status)
    if tagger is not None and tagger.n_failed and not status:
        status = EXIT_SOME_FAILED
    click.get_current_context().exit(status)


def _format_of(output: str | None) -> str:
    suffix = Path(output or "x.txt").suffix.lower()
    if suffix not in _SUFFIXES:
        raise click.UsageError(f"No format is known by the suffix {suffix!r} of {output!r}: give --format.")
    return _SUFFIXES[suffix]


def _likely(found: dict[str, float], probe: Probe) -> list[str]:
    """Return the labels of a track: the most probable one, or all that are more likely than not."""
    if probe.single:
        return list(found)[:1]
    return [label for label, probability in found.items() if probability > _LIKELY]


def _text(path: str, found: dict[str, float], probe: Probe, alone: bool) -> str:
    labels = "; ".join(_likely(found, probe)) or "-"
    return f"{labels}\n" if alone else f"{escape(path)}\t{labels}\n"


def _csv(path: str, found: dict[str, float], probe: Probe, alone: bool) -> str:
    return _csv_row([path, *(f"{found[label]:.4f}" if found else "" for label in probe.labels)])


def _csv_row(cells: list[str]) -> str:
    import csv
    import io

    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue()


def _jsonl(path: str, found: dict[str, float], probe: Probe, alone: bool) -> str:
    rounded = {label: round(probability, 4) for label, probability in found.items()}
    record = {"path": path, "labels": _likely(found, probe), "probabilities": rounded}
    return json.dumps(record, ensure_ascii=False) + "\n"


_LINES: dict[str, Callable[[str, dict[str, float], Probe, bool], str]] = {
    "text": _text,
    "csv": _csv,
    "jsonl": _jsonl,
}
