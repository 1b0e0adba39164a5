"""The public entry point: open a model and estimate the tempo of audio."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.analyser import Analyser, Analysis
from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.decoding.track_decoder import DECODING_VERSION
from tempocli.errors import ModelError
from tempocli.inference.methods import open_model
from tempocli.inference.options import METHODS, EstimatorOptions, SearchOptions
from tempocli.inference.registry import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tempocli.decoding.profiles.profile import Profile
    from tempocli.inference.classifier import Encode
    from tempocli.inference.spec import ModelSpec
    from tempocli.schema import Estimate

__all__ = ["Analysis", "Estimator", "PortableEstimator", "RepeatedEstimator", "estimate"]


class Estimator(Analyser):
    """Estimate the tempo of music with one loaded model.

    An estimator is thread-safe: it does not change after construction, and its sessions accept concurrent
    calls. Each call uses one core.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled model, or path of an ONNX file. With the method ``"both"`` it is the classifier. By
        default, the bundled model of the method.
    method : str
        ``"both"``: classification and comparison together; ``"classify"``: classification; ``"compare"``:
        comparison with references of known tempo (Henkel et al., ICASSP 2024); ``"periodicity"``: the
        baseline without a network.
    references : str, Path or None
        Folder of references to compare with, see `tempocli.inference.references.bank.load_own_bank`. By
        default, the built-in references.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    min_bpm, max_bpm : float
        Range of the estimate, within 30 to 300 BPM. A tempo outside the range is replaced by its half,
        double, quarter or quadruple inside the range. If none is inside, no tempo is returned.
    top : int
        Maximum number of candidates to return.
    profile : Profile, str, Path or None
        How the user counts: a profile, its name, or the path of its file; see `tempo learn`.

    Raises
    ------
    ModelError
        If the model is unknown or damaged, or the profile was learned with another one.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    DataError, AudioError
        If the references or the profile cannot be used.
    ValueError
        If the range or `top` is invalid, or references are given for a method that does not compare.

    Examples
    --------
    >>> estimator = Estimator()
    >>> estimator.estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        method: str = METHODS[0],
        references: str | Path | None = None,
        device: str = "auto",
        min_bpm: float = MIN_BPM,
        max_bpm: float = MAX_BPM,
        top: int = 5,
        profile: Profile | str | Path | None = None,
    ) -> None:
        search = SearchOptions(min_bpm, max_bpm, top)
        if isinstance(profile, str | Path):
            # Imported late: most estimates have no profile.
            from tempocli.decoding.profiles.files import find_profile

            profile = find_profile(profile)
        options = EstimatorOptions(
            None if model is None else str(model),
            method,
            None if references is None else str(references),
            device,
            search,
            profile,
        )
        own = None if references is None else Path(references)
        opened = open_model(method, options.model, device=device, references=own)
        super().__init__(opened.spec, opened.encode, search, profile)
        self.options = options
        self.device = opened.device
        if self.device != "cpu":
            # CUDA takes about a gigabyte when a model first runs; it must not count against the first file.
            self.encode(np.zeros((1, self.spec.n_frames, self.front_end.n_mels), np.float32))

    @classmethod
    def from_options(cls, options: EstimatorOptions) -> Estimator:
        """Create an estimator from options; parameters and errors are those of the class."""
        return cls(
            options.model,
            method=options.method,
            references=options.references,
            device=options.device,
            min_bpm=options.search.min_bpm,
            max_bpm=options.search.max_bpm,
            top=options.search.top,
            profile=options.profile,
        )

    def portable(self, *, encodes_here: bool | None = None) -> PortableEstimator | RepeatedEstimator:
        """Return a picklable form of the estimator for another process.

        Parameters
        ----------
        encodes_here : bool, optional
            Whether this estimator's sessions encode the windows of the other process. By default they do if
            the sessions run on a GPU, which needs large batches to be efficient, or if the references are the
            user's own, which take seconds to embed. Otherwise the other process opens its own sessions:
            sending windows between processes costs a seventh of the time of a file.
        """
        if encodes_here is None:
            encodes_here = self.device != "cpu" or self.options.references is not None
        if encodes_here:
            return PortableEstimator(self.spec, self.options.search, self.options.profile)
        model = self.options.model
        if model is not None and not is_name(model):
            model = os.path.abspath(model)
        return RepeatedEstimator(replace(self.options, model=model, device="cpu"), self.settings())

    def learn(self, tempi: Mapping[str, float]) -> Profile:
        """Learn how you count from files whose tempi you know; about twenty are enough.

        Parameters
        ----------
        tempi : mapping of str to float
            Paths of files, and their tempi in BPM. Tempi that are already estimated right are evidence, too.

        Returns
        -------
        Profile
            To pass to `Estimator` as `profile`, and to save.

        Raises
        ------
        AudioError
            If a file cannot be read.
        ValueError
            If no file has a tempo distribution, or the estimator has a profile itself.
        """
        if self.options.profile is not None:
            raise ValueError("an estimator with a profile cannot learn another one")
        from tempocli.decoding.profiles.collecting import EvidenceCollector
        from tempocli.decoding.profiles.learning import learn

        collector = EvidenceCollector(self)
        found = [(collector.process(path).evidence, bpm) for path, bpm in tempi.items()]
        heard = [(evidence, bpm) for evidence, bpm in found if evidence is not None]
        return learn([each for each, _ in heard], [bpm for _, bpm in heard], self.spec).profile

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that an estimate depends on, as JSON values.

        These are the version of the decoding, the method, its models with versions and checksums, the range,
        the number of candidates, and the profile, if there is one.
        """
        search = self.options.search
        return {
            "decoding": DECODING_VERSION,
            "method": self.options.method,
            "model": self.spec.record(),
            "min_bpm": search.min_bpm,
            "max_bpm": search.max_bpm,
            "top": search.top,
            **({} if self.options.profile is None else {"profile": self.options.profile.digest}),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PortableEstimator:
    """A picklable estimator without sessions, from `Estimator.portable`."""

    spec: ModelSpec
    search: SearchOptions
    profile: Profile | None = None

    def connect(self, encode: Encode) -> Analyser:
        """Create an estimator that encodes by a function.

        Parameters
        ----------
        encode : callable
            Has windows encoded by the process that holds the sessions; same arguments and result as
            `Estimator.encode`.
        """
        return Analyser(self.spec, encode, self.search, self.profile)


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedEstimator:
    """A picklable recipe for an estimator with its own sessions, from `Estimator.portable`."""

    options: EstimatorOptions
    settings: dict[str, Any]

    def connect(self, encode: Encode) -> Analyser:
        """Create the estimator, on the CPU.

        Raises
        ------
        ModelError
            If a model cannot be opened, or has changed since.
        """
        estimator = Estimator.from_options(self.options)
        if estimator.settings() != self.settings:
            raise ModelError(f"{estimator.model_name}: its file was replaced during the run")
        return estimator


def estimate(
    source: str | Path | BinaryIO | NDArray[Any],
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    **options: Any,
) -> Estimate:
    """Estimate the tempo of one file, binary stream or array, or of a part of it.

    Parameters
    ----------
    source : str, Path, binary file object, or ndarray
        See `Estimator.estimate`.
    sample_rate : int, optional
        Sample rate of an array, in Hz.
    start : float
        Start of the part, in seconds.
    duration : float, optional
        Length of the part, in seconds; by default, up to the end of the file.
    **options
        Parameters of `Estimator`. For several files, create one `Estimator` and reuse it.

    Returns
    -------
    Estimate

    Raises
    ------
    AudioError
        If the source cannot be read as audio, or ends before the part begins.
    ValueError
        If `start` is negative, `duration` is not above 0, or one of them is not finite; if a sample
        rate is given for a file or a stream.

    Examples
    --------
    >>> estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """
    return Estimator(**options).estimate(source, sample_rate, start=start, duration=duration)
