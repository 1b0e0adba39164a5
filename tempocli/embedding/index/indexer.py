"""Find out all that an index holds of a file, decoding it once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.audio import stream_audio
from tempocli.audio.parts import stream_part
from tempocli.decoding.profiles.profile import Profile
from tempocli.embedding.embedder import Embedder
from tempocli.embedding.segmentation.section_vectors import section_vectors
from tempocli.embedding.segmentation.segmenter import Segmenter, moved_form
from tempocli.errors import DataError, ModelError
from tempocli.estimator import Estimator
from tempocli.schema import Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tempocli.embedding.embedder import PortableEmbedder
    from tempocli.embedding.segmentation.segmenter import PortableSegmenter
    from tempocli.estimator import PortableEstimator, RepeatedEstimator


class Indexer:
    """Estimates the tempo and computes the vectors of files; a processor of batches.

    Parameters
    ----------
    estimator : Analyser
        Estimates tempi.
    embedder : Embedder
        Its front end has the sample rate of the estimator's.
    segmenter : Segmenter, optional
        Finds the sections of each file, with its tempo; by default, the index has no sections.
    profile : Profile, optional
        The one that the estimator and the segmenter have; it becomes part of the index.

    Raises
    ------
    ModelError
        If the sample rates differ.
    """

    def __init__(
        self,
        estimator: Any,
        embedder: Embedder,
        segmenter: Segmenter | None = None,
        profile: Profile | None = None,
    ) -> None:
        self._estimator, self._embedder, self._segmenter = estimator, embedder, segmenter
        self._profile = profile
        self.device = embedder.device
        self.spec = embedder.spec
        if estimator.front_end.sample_rate != embedder.spec.front_end.sample_rate:
            raise ModelError("the models for tempo and embedding need different sample rates")

    @classmethod
    def open(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        sections: bool = False,
        profile: Profile | None = None,
    ) -> Indexer:
        """Open the default estimator and an embedder, and a segmenter if sections are wanted.

        Raises
        ------
        ModelError
            If a model cannot be used, or the profile was learned with another one.
        """
        segmenter = Segmenter(model, device=device, profile=profile) if sections else None
        estimator = Estimator(device=device, profile=profile)
        return cls(estimator, Embedder(model, device=device), segmenter, profile)

    @classmethod
    def like(cls, settings: Mapping[str, Any], *, device: str = "auto", sections: bool = False) -> Indexer:
        """Open an indexer with the profile of an index, which its settings contain.

        Raises
        ------
        DataError
            If the index was made with other models or another version.
        """
        wanted = {name: each for name, each in settings.items() if sections or name != "sections"}
        other = "the index was made with another model or version; make it again with --rebuild"
        try:
            profile = Profile.from_json(json.dumps(wanted["profile"])) if "profile" in wanted else None
            indexer = cls.open(device=device, sections=sections, profile=profile)
        except (ValueError, KeyError, TypeError, AttributeError, ModelError) as error:
            raise DataError(other) from error
        if indexer.settings() != wanted:
            raise DataError(other)
        return indexer

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that an index depends on, as JSON values."""
        settings = {"tempo": self._estimator.settings(), "embedding": self._embedder.settings()}
        if self._profile is not None:
            # All of it, so that songs outside of the index can be heard in the same way.
            settings["profile"] = json.loads(self._profile.to_json())
        return settings if self._segmenter is None else settings | {"sections": self._segmenter.settings()}

    def encode(self, windows: Any) -> Any:
        """Run the tempo models for other processes."""
        return self._estimator.encode(windows)

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Process one file or a part of it; parameters and errors are those of `Embedder.embed`."""
        part = Part.of(start, duration)
        sample_rate = self.spec.front_end.sample_rate
        if part is None:
            blocks = stream_audio(source, sample_rate=sample_rate)
        else:
            blocks = stream_part(source, part, sample_rate=sample_rate)
        collector = self._embedder.collector()
        # The index has no vectors of windows.
        if self._segmenter is None:
            estimate = self._estimator.analyse_blocks(collector.watch(blocks)).estimate
            track = replace(collector.finish(), windows={})
            return Outcome(replace(estimate, curve=()), track)
        form = self._segmenter.segment_blocks(collector.watch(blocks))
        track = collector.finish()
        window = self.spec.n_frames * self.spec.pieces / self.spec.front_end.frame_rate
        track = replace(track, windows={}, sections=section_vectors(track, form.sections, window))
        form = form if part is None else moved_form(form, part.start)
        return Outcome(replace(form.estimate, curve=()), track, form=form)

    def portable(self) -> PortableIndexer:
        """Return a picklable form of the indexer for another process."""
        segmenter = None if self._segmenter is None else self._segmenter.portable()
        estimator, embedder = self._estimator.portable(), self._embedder.portable()
        return PortableIndexer(estimator, embedder, segmenter, self._profile)


@dataclass(frozen=True, slots=True, eq=False)
class PortableIndexer:
    """A picklable recipe for an indexer, from `Indexer.portable`."""

    estimator: PortableEstimator | RepeatedEstimator
    embedder: PortableEmbedder
    segmenter: PortableSegmenter | None = None
    profile: Profile | None = None

    def connect(self, encode: Any) -> Indexer:
        """Create the indexer; errors are those of its parts."""
        segmenter = None if self.segmenter is None else self.segmenter.connect(encode)
        estimator, embedder = self.estimator.connect(encode), self.embedder.connect(encode)
        return Indexer(estimator, embedder, segmenter, self.profile)
