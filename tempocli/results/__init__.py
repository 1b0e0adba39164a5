"""Result files that grow as results come, survive what kills the process, and can be continued."""

from tempocli.results.file import FORMATS, ResultFile
from tempocli.results.part import part_of

__all__ = ["FORMATS", "ResultFile", "part_of"]
