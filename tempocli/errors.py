"""Exceptions raised by tempocli; each has the exit code of the command line."""

from __future__ import annotations


class TempoError(Exception):
    """Base class of all tempocli errors; the message is one line for the user."""

    exit_code = 1


class AudioError(TempoError):
    """An input that cannot be read as audio.

    Parameters
    ----------
    name : str
        Name of the input as given by the user: a path, or ``-``.
    reason : str
        Why it cannot be read, in one line.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str]]:
        # Worker processes pickle their errors; by default, unpickling would pass only the message.
        return type(self), (self.name, self.reason)


class TagError(AudioError):
    """A file whose tags cannot be read or written; parameters as in `AudioError`."""


class ModelError(TempoError):
    """A model that is unknown, damaged, or not made by tempocli."""


class DeviceError(TempoError):
    """A requested device that is not available."""


class DataError(TempoError):
    """A reference, estimate or manifest file with invalid content."""


class OutputError(TempoError):
    """A result file that must not be overwritten or cannot be resumed."""


class MissingExtraError(TempoError):
    """A feature whose optional dependency is not installed.

    Parameters
    ----------
    feature : str
        What the user wanted to do.
    extra : str
        Name of the extra that installs the dependency.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'tempo-estimate[{extra}]'")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.feature, self.extra)
