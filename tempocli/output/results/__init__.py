"""Result files that are appended to, survive a killed process, and can be resumed."""

from tempocli.output.results.file import FORMATS, ResultFile
from tempocli.output.results.part import part_of

__all__ = ["FORMATS", "ResultFile", "part_of"]
