"""Help texts whose options are in groups."""

from __future__ import annotations

import click

from tempocli.cli.config.settings import spelling

# By spelling, in the order of the help. Only commands with many options have groups.
GROUPS = {
    "Input": (
        "files-from", "null", "include", "exclude", "start", "duration", "max-stdin", "max-download", "index",
        "probe", "dataset", "data-home", "estimates", "audio",
    ),
    "Search": (
        "number", "bpm", "faster", "slower", "any-tempo", "bpm-range", "mixable", "weights", "path", "length",
        "section", "copies",
    ),
    "Analysis": (
        "method", "model", "section-model", "profile", "references", "min-bpm", "max-bpm", "metre",
        "sections", "min-bars", "windows", "parts",
    ),
    "Scores": ("task", "skip", "by"),
    "Output": (
        "output", "format", "top", "precision", "curve", "plot", "grid", "click", "save", "resume",
        "verify-hash", "retry-failed", "keep-missing", "rebuild", "info",
    ),
    "Tags": ("write-tags", "overwrite", "dry-run", "min-confidence", "tag-decimals", "skip-tagged"),
    "Speed and limits": ("jobs", "device", "engine", "ray-address", "timeout", "max-memory"),
    "Messages": ("verbose", "quiet", "help"),
}  # fmt: skip
_GROUP_OF = {name: title for title, names in GROUPS.items() for name in names}


def group_of(option: click.Parameter) -> str | None:
    """Return the title of an option's group."""
    return _GROUP_OF.get(spelling(option))


class GroupedCommand(click.Command):
    """A command whose help has its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each group, in the order of `GROUPS`."""
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in [*GROUPS, "Options"]}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and isinstance(option, click.Option):
                rows[group_of(option) or "Options"].append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    # On a narrow terminal, the text of most options is below their names.
                    formatter.write_dl(records, col_max=min(30, max(12, formatter.width // 2 - 9)))
