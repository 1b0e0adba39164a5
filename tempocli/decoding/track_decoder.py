"""Decode the analysis of a piece of audio into an Estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.decoding.distributions import (
    at_relation,
    calibrated,
    find_peaks,
    folded_peak,
    local_tempi,
    relation,
)
from tempocli.decoding.loops import OFF_BEATS, can_be_loop, tile, whole_beats
from tempocli.decoding.pooling import track_tempo
from tempocli.decoding.refinement import Refined, refine_tempo
from tempocli.decoding.search import search
from tempocli.decoding.sections import find_sections
from tempocli.features.periodicity import rises
from tempocli.inference.window_analysis import split_methods
from tempocli.schema import Candidate, CurvePoint, Estimate, TempoSection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from tempocli.decoding.pooling import TrackTempo
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.decoding.search import Found
    from tempocli.decoding.sections import Course, Section
    from tempocli.inference.classifier import Encode
    from tempocli.inference.options import SearchOptions
    from tempocli.inference.spec import ModelSpec
    from tempocli.inference.window_analysis import WindowAnalysis

    # Per window: the tempo in BPM, and the share of the distribution near it; both shape=(n_windows,).
    LocalTempi = tuple[NDArray[np.float64], NDArray[np.float64]]

# Increased when estimates change with the same models, so that a resumed run does not mix both.
DECODING_VERSION = 1
_LOOP_SECONDS = 40.0  # the maximum of 32 beats, at 48 BPM
_OCTAVES = (1.0, 2.0, 0.5, 4.0, 0.25)  # the first one that puts a point of the curve in the range
_MIN_BEATS = 3.75  # of audio that is not a loop: four beats, at a tempo estimated a little too low
_LOOP_PEAK = 0.97  # folded peak of a repeated loop; audio that does not loop is irregular at the seam
_LOOP_SUPPORT = 0.15  # of the distribution of the unrepeated audio, within a bin of the loop's tempo
# From the tempo inside to that of the length: standard errors, and the padding that an encoder adds.
_LOOP_DEVIATIONS, _LOOP_ROUNDING = 4.0, 5e-4
_A_BIN = 0.01  # within it, refining again would give the same tempo


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A section of the audio, or all of it, and the tempi found in it, most probable first."""

    start: float
    end: float
    track: TrackTempo
    heard_bpm: float
    found: list[Found]
    refined: Refined
    agreement: float = 1.0  # share of its windows that agree with the tempo
    local: LocalTempi | None = None  # of all windows, by `track`, if already computed

    @property
    def certainty(self) -> float:
        """Evidence for the tempo up to a factor of 2 or 3."""
        return self.agreement * self.found[0].family if self.found else 0.0


class TrackDecoder:
    """Estimate tempo, confidence, sections and tempo curve from an analysis.

    Parameters
    ----------
    spec : ModelSpec
        Description of the model, which may be an ensemble.
    encode : callable
        Runs the model, see `tempocli.inference.methods.WindowModel.encode`.
    options : SearchOptions
        Range of tempi and number of candidates.
    profile : Profile, optional
        How the user counts.

    Raises
    ------
    ModelError
        If the profile was learned with another model.
    """

    def __init__(
        self, spec: ModelSpec, encode: Encode, options: SearchOptions, profile: Profile | None = None
    ) -> None:
        if profile is not None:
            profile.check(spec)
        self._spec = spec
        self._profile = profile
        self._version = spec.version if profile is None else f"{spec.version}+profile-{profile.digest}"
        self._encode = encode
        self._options = options
        self._calibration = spec.calibration
        self._axis = spec.axis
        self._front_end = spec.front_end
        self._frame_rate = spec.front_end.frame_rate

    def decode(self, heard: WindowAnalysis) -> Estimate:
        """Estimate the tempo of a piece of audio."""
        return self.decode_all(heard)[0]

    def decode_all(self, heard: WindowAnalysis) -> tuple[Estimate, NDArray[np.float64]]:
        """Estimate the tempo; also return the distribution of the whole track, shape=(n_bins,).

        It is empty, shape=(0,), if the audio is silent or too short.
        """
        if heard.reason is not None:
            return self.no_tempo(heard.reason, heard.duration), np.zeros(0)
        weights = self._weights(heard)
        track = self._track(heard.tempograms, heard.curve, weights)
        loop = self._loop(heard, track, weights)
        if loop is not None:
            return self._estimate(heard, None, [loop], loop), loop.track.distribution
        return self._decode_track(heard, track, weights), track.distribution

    def _decode_track(
        self, heard: WindowAnalysis, track: TrackTempo, weights: NDArray[np.float64] | None
    ) -> Estimate:
        # How a user counts says nothing of whether the tempo changes.
        plain = track if weights is None else track.reweighted(1.0 / weights)
        local = local_tempi(combine(heard.tempograms), self._axis, plain.distribution)
        course = find_sections(heard.times, *local)
        # A changing tempo has no periodicity over the whole audio, but its windows are certain.
        runs = course.clear and not course.steady
        if not (runs or self._calibration.has_pulse(track.pulse)):
            return self.no_tempo("no steady pulse", heard.duration)
        whole = self._part(heard, track, 0.0, heard.duration)
        whole = whole if weights is not None else replace(whole, local=local)
        if course.steady:
            return self._estimate(heard, course, [whole], whole)
        parts = list(self._sections(heard, course, weights))
        longest, section = max(
            zip(parts, course.sections, strict=True), key=lambda pair: pair[0].end - pair[0].start
        )
        runs = section.is_ramp and course.clear
        best = longest if runs or longest.certainty > whole.certainty else whole
        return self._estimate(heard, course, parts, best)

    def no_tempo(self, reason: str, duration: float) -> Estimate:
        """Return the Estimate of audio without a tempo."""
        spec = self._spec
        return Estimate(None, 0.0, 0.0, (), reason, duration, spec.name, model_version=self._version)

    def _weights(self, heard: WindowAnalysis) -> NDArray[np.float64] | None:
        """Return the profile's weights of the tempi, which are those of the track for all its sections."""
        if self._profile is None or self._profile.changes_nothing:
            return None
        return self._profile.weights(self._axis.bpms, heard.embeddings.mean(axis=0))

    def _track(
        self,
        tempograms: Mapping[str, NDArray[np.float32]],
        curve: NDArray[np.float32],
        weights: NDArray[np.float64] | None,
    ) -> TrackTempo:
        track = track_tempo(self._spec, tempograms, curve)
        return track if weights is None else track.reweighted(weights)

    def _local_tempi(self, heard: WindowAnalysis, track: TrackTempo) -> LocalTempi:
        said, weights = combine(heard.tempograms), self._weights(heard)
        if weights is not None:
            said = said * weights.astype(np.float32)
            said /= said.sum(axis=1, keepdims=True)
        return local_tempi(said, self._axis, track.distribution)

    def _part(self, heard: WindowAnalysis, track: TrackTempo, start: float, end: float) -> _Part:
        onset = self._onset(heard, start, end)
        found = self._search_refined(track.distribution, onset)
        heard_bpm = find_peaks(track.distribution, self._axis)[0].bpm
        refined = self._refined(onset, found[0].bpm) if found else Refined(heard_bpm, 0.0)
        return _Part(start, end, track, heard_bpm, found, refined)

    def _sections(
        self, heard: WindowAnalysis, course: Course, weights: NDArray[np.float64] | None
    ) -> Iterator[_Part]:
        for section, (start, end) in zip(course.sections, self._edges(heard, course), strict=True):
            windows = slice(section.first, section.stop)
            frames = slice(int(start * self._frame_rate), int(end * self._frame_rate))
            tempograms = {method: rows[windows] for method, rows in heard.tempograms.items()}
            track = self._track(tempograms, heard.curve[frames], weights)
            near = track.near(section.bpm, self._axis)
            agreement = near.kept * float(course.shares[windows].mean())
            part = replace(self._part(heard, near, start, end), agreement=agreement)
            yield self._ramp(part, section, course) if section.is_ramp and part.found else part

    def _edges(self, heard: WindowAnalysis, course: Course) -> list[tuple[float, float]]:
        """Return the borders of the sections, half-way between their windows."""
        borders = [
            0.5 * float(heard.times[section.first - 1] + heard.times[section.first])
            for section in course.sections[1:]
        ]
        return list(zip([0.0, *borders], [*borders, heard.duration], strict=True))

    def _ramp(self, part: _Part, section: Section, course: Course) -> _Part:
        """Set the tempo of a section with rising or falling tempo to that in its middle."""
        middle = course.bpm_at(section, 0.5 * (part.start + part.end))
        octave = round(math.log2(part.found[0].bpm / middle))
        # The nearest candidate may be inside the range although the middle is outside.
        near = sorted(range(octave - 2, octave + 3), key=lambda other: abs(other - octave))
        inside = [
            middle * 2.0**o for o in near if self._options.min_bpm <= middle * 2.0**o <= self._options.max_bpm
        ]
        if not inside:
            return replace(part, heard_bpm=middle, found=[])
        bpm = inside[0]
        spread = abs(section.end_bpm - section.start_bpm) * bpm / middle / math.sqrt(12.0)
        found = [part.found[0].at(bpm), *part.found[1:]]
        return replace(part, heard_bpm=middle, found=found, refined=self._clipped(bpm, spread))

    def _search(self, distribution: NDArray[np.float64], exact: Callable[[float], float]) -> list[Found]:
        low, high = self._options.min_bpm, self._options.max_bpm
        return search(distribution, self._axis, min_bpm=low, max_bpm=high, exact=exact)

    def _search_refined(self, distribution: NDArray[np.float64], onset: NDArray[np.float32]) -> list[Found]:
        return self._search(
            distribution, lambda bpm: refine_tempo(onset, frame_rate=self._frame_rate, bpm=bpm).bpm
        )

    def _onset(self, heard: WindowAnalysis, start: float, end: float) -> NDArray[np.float32]:
        return heard.onset[int(start * self._frame_rate) : math.ceil(end * self._frame_rate) + 1]

    def _refined(self, onset: NDArray[np.float32], bpm: float) -> Refined:
        refined = refine_tempo(onset, frame_rate=self._frame_rate, bpm=bpm)
        return self._clipped(refined.bpm, refined.error)

    def _clipped(self, bpm: float, error: float) -> Refined:
        return Refined(self._inside(bpm), error)

    def _inside(self, bpm: float) -> float:
        return min(max(bpm, self._options.min_bpm), self._options.max_bpm)

    def _estimate(
        self, heard: WindowAnalysis, course: Course | None, parts: list[_Part], best: _Part
    ) -> Estimate:
        if not best.found:
            low, high = self._options.min_bpm, self._options.max_bpm
            return self.no_tempo(f"no tempo between {low:g} and {high:g} BPM", heard.duration)
        first, bpm = best.found[0], best.refined.bpm
        if course is not None and heard.duration * bpm / 60.0 < _MIN_BEATS:
            return self.no_tempo("too short", heard.duration)
        # With several tempi, one number is correct only for the share of the track at that tempo.
        covered = 1.0 if course is None or course.steady else _coverage(course, best.heard_bpm)
        return Estimate(
            bpm=bpm,
            confidence=self._confidence(first) * covered,
            octave_confidence=calibrated(first.mass / first.family, self._calibration.octave),
            candidates=tuple(self._candidates(best.found, bpm)),
            reason=None,
            duration=heard.duration,
            model=self._spec.name,
            model_version=self._version,
            curve=tuple(self._curve(heard, best)),
            by_method=self._by_method(heard, best),
            bpm_error=best.refined.error,
            steady=course is None or course.steady,
            tempo_sections=tuple(
                TempoSection(part.start, part.end, part.refined.bpm, self._confidence(part.found[0]))
                for part in parts
                if part.found
            ),
        )

    def _confidence(self, found: Found) -> float:
        family = calibrated(found.family, self._calibration.family)
        return family * calibrated(found.mass / found.family, self._calibration.octave)

    def _candidates(self, found: list[Found], bpm: float) -> Iterator[Candidate]:
        first = found[0].bpm
        for each in found[: self._options.top]:
            moved = self._inside(at_relation(each.bpm / first * bpm, bpm))
            yield Candidate(moved, each.mass, relation(each.bpm, first))

    def _curve(self, heard: WindowAnalysis, best: _Part) -> Iterator[CurvePoint]:
        """Yield each window's tempo in the octave of the estimate; omit tempi that fit no range."""
        tempi, shares = best.local or self._local_tempi(heard, best.track)
        moved = 2.0 ** round(math.log2(best.refined.bpm / best.heard_bpm))
        for time, tempo, share in zip(heard.times, tempi * moved, shares, strict=True):
            for octave in _OCTAVES:
                if self._options.min_bpm <= tempo * octave <= self._options.max_bpm:
                    yield CurvePoint(float(time), float(tempo * octave), float(share))
                    break

    def _by_method(self, heard: WindowAnalysis, best: _Part) -> tuple[tuple[str, float], ...]:
        if not self._spec.members:
            return ()
        onset = self._onset(heard, best.start, best.end)
        found = {name: self._search_refined(said, onset) for name, said in best.track.by_method.items()}
        return tuple(
            (name, self._like(best, each[0].bpm) or self._refined(onset, each[0].bpm).bpm)
            for name, each in found.items()
            if each
        )

    def _like(self, part: _Part, bpm: float) -> float | None:
        """Return the refined tempo if `bpm` is within one bin of it; refining again would give the same."""
        return part.refined.bpm if abs(bpm / part.refined.bpm - 1.0) <= _A_BIN else None

    def _loop(
        self, heard: WindowAnalysis, track: TrackTempo, weights: NDArray[np.float64] | None
    ) -> _Part | None:
        """Estimate the tempo of a loop from its length; return ``None`` if the audio is not a loop."""
        if not heard.is_exact or heard.duration > _LOOP_SECONDS:
            return None
        if not can_be_loop(heard.head, heard.tail, heard.curve, self._front_end):
            return None
        repeated = self._repeated(heard, weights) if len(heard.head) == len(heard.onset) else track
        if folded_peak(repeated.distribution, self._axis) < _LOOP_PEAK:
            return None
        bpm = find_peaks(repeated.distribution, self._axis)[0].bpm
        exact = whole_beats(heard.duration, bpm)
        if exact is None or not math.isclose(exact.nearest(bpm), exact.bpm):
            return None
        if self._support(track, exact.bpm) < _LOOP_SUPPORT:
            return None
        reach = OFF_BEATS / exact.n_beats
        inside = refine_tempo(
            heard.onset, frame_rate=self._frame_rate, bpm=exact.bpm, search=max(0.01, reach)
        )
        # Music cut at any place may happen to continue from its end to its start. The tempo measured inside
        # then shows that it does not have a whole number of beats.
        agrees = _LOOP_DEVIATIONS * inside.error + _LOOP_ROUNDING * exact.bpm
        if abs(inside.bpm - exact.bpm) > min(agrees, reach * exact.bpm):
            return None
        near = self._search(repeated.distribution, exact.nearest)
        found = [each.at(exact.nearest(each.bpm)) for each in near]
        # The length is known to one sample at the front end's rate.
        error = exact.bpm / (heard.duration * self._front_end.sample_rate)
        refined = self._clipped(exact.nearest(found[0].bpm), error) if found else Refined(exact.bpm, error)
        return _Part(0.0, heard.duration, repeated, bpm, found, refined)

    def _repeated(self, heard: WindowAnalysis, weights: NDArray[np.float64] | None) -> TrackTempo:
        period = heard.duration * self._frame_rate
        window = tile(heard.head, period=period, n_frames=self._spec.n_frames)
        tempograms = split_methods(self._spec, self._encode(window[None])[0])
        return self._track(tempograms, rises(window, self._front_end), weights)

    def _support(self, track: TrackTempo, bpm: float) -> float:
        """Return the share of the unrepeated audio's distribution within a bin of a tempo or its octaves."""
        octave = self._axis.bins_per_octave
        distance = np.abs(np.arange(self._axis.n_bins) - self._axis.index(bpm))
        bins = np.minimum(distance % octave, -distance % octave) <= 1.5
        return float(track.distribution[bins].sum())


def combine(tempograms: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Multiply the distributions of the methods, window by window.

    Parameters
    ----------
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)

    Returns
    -------
    ndarray of float32, shape=(n_windows, n_bins)
        Rows sum to 1.
    """
    first, *others = tempograms.values()
    for other in others:
        first = first * other
        first = first / first.sum(axis=1, keepdims=True)
    return first


def _coverage(course: Course, bpm: float) -> float:
    """Return the share of the time for which a tempo is right within 4 %, up to its octave."""
    octaves = np.log2(course.tempi / bpm)
    near = np.abs(octaves - np.round(octaves)) <= math.log2(1.0 + TOLERANCE)
    return float(course.shares[near].sum() / course.shares.sum())
