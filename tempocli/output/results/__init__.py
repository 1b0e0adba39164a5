"""Result files that grow as results come, survive what kills the process, and can be continued."""

from tempocli.output.results.file import FORMATS, ResultFile
from tempocli.output.results.part import part_of

__all__ = ["FORMATS", "ResultFile", "part_of"]
