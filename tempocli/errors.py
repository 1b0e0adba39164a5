"""The errors that tempocli raises on purpose; each knows the exit code of the command line."""

from __future__ import annotations


class TempoError(Exception):
    """Base of every error raised on purpose; its text is one line fit for a user."""

    exit_code = 1


class AudioError(TempoError):
    """An input that cannot be read as audio.

    Parameters
    ----------
    name : str
        What the user called the input: a path, or ``-``.
    reason : str
        Why it cannot be read, in one line.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str]]:
        # Worker processes send their errors by pickle, which would call the class with the text alone.
        return type(self), (self.name, self.reason)


class TagError(AudioError):
    """A file whose tags cannot be read or written; as `AudioError`."""


class ModelError(TempoError):
    """A model that is unknown, damaged, or not one of ours."""


class DeviceError(TempoError):
    """A device that was asked for by name and is not there."""


class DataError(TempoError):
    """A reference, estimate or manifest file that does not hold what it should."""


class OutputError(TempoError):
    """A result file that must not be written to, or not be continued."""


class MissingExtraError(TempoError):
    """A feature whose optional dependency is not installed.

    Parameters
    ----------
    feature : str
        What the user wanted to do.
    extra : str
        The extra of this distribution that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'tempo-estimate[{extra}]'")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.feature, self.extra)
