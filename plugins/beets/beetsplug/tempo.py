"""Plugin of beets: `beet tempo` sets the fields `bpm` and `bpm_confidence`, at import too."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from beets.dbcore import types
from beets.plugins import BeetsPlugin
from beets.ui import Subcommand, UserError, should_write

from tempocli import Estimator
from tempocli.errors import TempoError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Item, Library

    from tempocli import Estimate


class TempoPlugin(BeetsPlugin):
    """Estimate the tempo of items that have none."""

    item_types: ClassVar[dict[str, types.Type[Any, Any]]] = {"bpm_confidence": types.Float(2)}

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {
                "auto": True,
                "force": False,
                "write": None,
                "min_confidence": 0.5,
                "min_bpm": 30.0,
                "max_bpm": 300.0,
                "jobs": os.cpu_count() or 1,
            }
        )
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]

    def commands(self) -> list[Subcommand]:
        """Return the command `beet tempo`."""
        command = Subcommand("tempo", help="estimate the tempo (BPM) of items that have none")
        command.parser.add_option(
            "-f", "--force", action="store_true", default=None, help="replace tempi that are there"
        )
        command.parser.add_option(
            "-p", "--pretend", action="store_true", default=False, help="show tempi, and change nothing"
        )
        command.parser.add_option(
            "-w", "--write", action="store_true", default=None, help="write tempi into the files' tags"
        )
        command.parser.add_option(
            "-W", "--nowrite", dest="write", action="store_false", help="write no tags (opposite of -w)"
        )
        command.func = self.command
        return [command]

    def command(self, lib: Library, opts: Values, args: list[str]) -> None:
        """Run `beet tempo`; its exit status is 1 if a file could not be read."""
        force = self.config["force"].get(bool) if opts.force is None else opts.force
        write = self.config["write"].get() if opts.write is None else opts.write
        failed = self.estimate(
            list(lib.items(args)), force=force, write=should_write(write), pretend=opts.pretend
        )
        if failed:
            raise UserError(f"tempo: {failed} {'file' if failed == 1 else 'files'} could not be read")

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Estimate the tempo of what is being imported; the importer itself writes the tags, later on."""
        self.estimate(task.imported_items(), force=self.config["force"].get(bool), write=False)

    def estimate(
        self, items: Iterable[Item], *, force: bool, write: bool = False, pretend: bool = False
    ) -> int:
        """Estimate the tempo of items, and store it.

        Parameters
        ----------
        items : iterable of Item
        force : bool
            Whether items that have a tempo get a new one.
        write : bool
            Whether the tags of the files are written, too.
        pretend : bool
            Whether nothing is stored.

        Returns
        -------
        int
            Number of files that could not be read.

        Raises
        ------
        UserError
            If the options are invalid, or a model of tempo-estimate cannot be opened.
        """
        wanted = [item for item in items if force or not item.get("bpm")]
        if not wanted:
            return 0
        failed = 0
        estimates = self.estimator.estimate_many(
            (os.fsdecode(item.path) for item in wanted), jobs=self.number("jobs", int, 1)
        )
        for item, result in zip(wanted, estimates, strict=True):
            if result.estimate is None:
                failed += 1
                self._log.error("{}: {}", result.path, result.error)
            elif self.is_likely(item, result.estimate) and not pretend:
                item["bpm"] = round(result.estimate.bpm)
                item["bpm_confidence"] = result.estimate.confidence
                if write:
                    item.try_write()
                item.store()
        return failed

    def is_likely(self, item: Item, estimate: Estimate) -> bool:
        """Tell whether a tempo is to be stored, and log it either way."""
        if estimate.bpm is None:
            self._log.info("{}: no tempo ({})", item, estimate.reason)
            return False
        if estimate.confidence < self.number("min_confidence", float, 0.0):
            self._log.info("{}: {:.2f} BPM is too unsure ({:.2f})", item, estimate.bpm, estimate.confidence)
            return False
        self._log.info("{}: {:.2f} BPM ({:.2f})", item, estimate.bpm, estimate.confidence)
        return True

    @cached_property
    def estimator(self) -> Estimator:
        """The models, opened on first use: `beet ls` does not need them."""
        try:
            return Estimator(
                min_bpm=self.number("min_bpm", float, 0.0), max_bpm=self.number("max_bpm", float, 0.0)
            )
        except (TempoError, ValueError) as error:
            raise UserError(f"tempo: {error}") from error

    def number(self, name: str, kind: type[float], least: float) -> Any:
        """Return a number of the configuration.

        Raises
        ------
        UserError
            If it is below `least`. A value that is no number is refused by beets itself.
        """
        value = self.config[name].get(kind)
        if value < least:
            raise UserError(f"tempo: {name} must be at least {least:g}, not {value:g}")
        return value
