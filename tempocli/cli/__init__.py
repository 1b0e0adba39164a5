"""The command line: one lazily imported module per command; errors become exit codes here only."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from tempocli import __version__
from tempocli.cli.terminal import console
from tempocli.errors import TempoError
from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

_HELP_COLUMNS = (34, 100)  # least and most
_NEW_OBJECTS = 100_000  # between two runs of the garbage collector

# Name -> help. A command lives in the module of its name, as `command`; some in a folder.
_COMMANDS = {
    "estimate": "Estimate the tempo of audio files.",
    "beats": "Find the beats and bars of audio files.",
    "segment": "Find the sections of songs and their repeats.",
    "compare": "Compare the tempi of recordings.",
    "embed": "Compute vectors of audio files, for search and learning.",
    "index": "Make an index of a music library, or bring it up to date.",
    "similar": "Find music in an index that is like a song, also at another tempo.",
    "label": "Label music with a probe trained on your own labels.",
    "review": "Hear doubtful tracks on a page and correct their tempi.",
    "learn": "Learn how you count from corrected tracks.",
    "diff": "Show what changed between two result files.",
    "export": "Export tempi and beat grids for DJ software.",
    "evaluate": "Score estimates against a reference.",
    "models": "List the models and check their files.",
    "references": "Export the reference clips of --method compare.",
    "train": "Prepare data, train and export models.",
    "config": "Show the defaults that are set in the configuration file and in variables.",
}
_FOLDERS = {
    **dict.fromkeys(("beats", "segment"), "structure."),
    **dict.fromkeys(("embed", "index", "similar", "label"), "library."),
    **dict.fromkeys(("review", "learn", "diff"), "corrections."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when needed, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names without importing the commands."""
        return list(_COMMANDS)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the options; usage errors contain printable characters only."""
        with _printable_usage():
            return super().make_context(*args, **extra)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(
            f"tempocli.cli.commands.{_FOLDERS.get(cmd_name, '')}{cmd_name}"
        ).command
        from tempocli.cli.config import settings  # not needed for the list of commands

        return settings.with_variables(command, (cmd_name,), ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command and its defaults; an existing path, a URL and ``-`` mean ``tempo estimate``."""
        given = args[0]
        if given not in _COMMANDS:
            if given == "-" or "://" in given or os.path.exists(given):
                args = ["estimate", *args]
            elif not given.startswith("-") and not ctx.resilient_parsing:
                from difflib import get_close_matches

                near = [f"tempo {each}" for each in get_close_matches(given, _COMMANDS, n=1)]
                hint = f"Did you mean '{near[0]}'?" if near else "See 'tempo --help'."
                ctx.fail(f"No such command or file '{given}'. {hint}")
        name, command, args = super().resolve_command(ctx, args)
        if name is not None and command is not None and not ctx.resilient_parsing:
            _read_defaults(ctx, name, command, args)
        return name, command, args

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands without importing them, files, and options."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from tempocli.cli.usage import completion

        return completion.commands_or_files(_COMMANDS.items(), incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn every exception into its exit code."""
        try:
            with _printable_usage():
                super().invoke(ctx)
            console.flush()
        except click.UsageError as error:
            from tempocli.cli.config import settings

            raise settings.explained(error) from None
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            console.error("interrupted")
            ctx.exit(console.INTERRUPTED)
        except BrokenPipeError:
            # The reader has closed the pipe, as `| head` does.
            console.abandon_stdout()
            ctx.exit(0)
        except TempoError as error:
            console.error(str(error))
            ctx.exit(error.exit_code)
        except OSError as error:
            console.abandon_stdout()
            console.os_error(error)
            ctx.exit(1)
        except Exception as error:
            console.bug(error, verbose=ctx.meta.get(console.VERBOSE, False))
            ctx.exit(1)


def _read_defaults(context: click.Context, name: str, command: click.Command, args: list[str]) -> None:
    """Take the defaults of a command from the configuration file.

    Raises
    ------
    settings.SettingError
        If there is something wrong in the file.
    """
    # Help works with any file, and `tempo config` tells all that is wrong.
    if name == "config" or {"-h", "--help"} & set(args) or context.params["no_config"]:
        return
    from tempocli.cli.config import settings

    given = context.params["config"]
    if given is None and not os.path.lexists(settings.usual_path()):
        return
    from tempocli.cli.config.file import ConfigFile

    file = ConfigFile.read(given)
    context.meta[settings.FILE] = file.path
    problems = list(file.check_tables(_COMMANDS))
    if not problems and name in file.tables:
        defaults, problems = file.defaults(command, (name,))
        context.default_map = {name: defaults}
    if problems:
        raise settings.SettingError(problems[0])


@contextmanager
def _printable_usage() -> Iterator[None]:
    """Escape control characters of the command line in the error messages of click."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = printable(error.message)
        raise


def _files(*given: Any) -> list[CompletionItem]:
    """Complete the names of files; a click callback."""
    from tempocli.cli.usage import completion

    return completion.files(*given)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _HELP_COLUMNS[1]},
)
@click.version_option(__version__, "-V", "--version", message="tempo %(version)s")
@click.option(
    "--config",
    metavar="FILE",
    shell_complete=_files,
    envvar="TEMPO_CONFIG",
    help="Read defaults from FILE.  [default: see 'tempo config']",
)
@click.option("--no-config", is_flag=True, help="Ignore the configuration file and TEMPO_* variables.")
def cli(config: str | None, no_config: bool) -> None:
    """Estimate the tempo (BPM) of music."""


def main() -> None:
    """Run the command line; entry point of the console script ``tempo``."""
    # By default Python collects garbage every 700 new objects, which takes a tenth of a short run.
    gc.set_threshold(_NEW_OBJECTS)
    # numpy's BLAS starts a thread per core when it is imported, which takes a quarter of a short run. Our
    # products are small, and parallel work has processes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code: int | str | None = 0
    console.silence_libraries()
    try:
        try:
            width = console.columns()
            help_width = None if width is None else max(_HELP_COLUMNS[0], min(width, _HELP_COLUMNS[1]) - 2)
            cli.main(prog_name="tempo", terminal_width=help_width)
        except SystemExit as end:
            code = end.code
        console.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        # For example `tempo --version` on a full disk, where no command runs.
        console.os_error(error)
        code = code or 1
    console.abandon_stdout()
    if "multiprocessing" in sys.modules and sys.modules["multiprocessing"].active_children():
        # The normal exit of the interpreter ends the worker processes of training.
        sys.exit(code)
    if "tempocli.batch.sockets" in sys.modules:
        sys.modules["tempocli.batch.sockets"].remove_folder()
    # Skip the normal exit: after an interrupt it would wait for a thread that may be decoding a three-hour
    # file, and unloading the libraries takes a tenth of the time of one short file.
    os._exit(code if isinstance(code, int) else 1)
