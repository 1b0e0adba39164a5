"""The teacher of BYOL and of clustering: a moving average of the network."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.training.contrastive.losses.outputs import TaughtOutputs

if TYPE_CHECKING:
    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.spectrogram import SpectrogramNetwork

_CENTRE_MOMENTUM = 0.9


class Prototypes(nn.Module):
    """Logits of clusters: the cosines between a projection and the prototype of each cluster, as in DINO.

    Without unit lengths the logits of an untrained network are next to 0, and nothing pulls clusters apart.

    Parameters
    ----------
    dim, n_clusters : int
    """

    def __init__(self, dim: int, n_clusters: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.functional.normalize(torch.randn(n_clusters, dim), dim=1))

    def forward(self, projections: Tensor) -> Tensor:
        """Return the logits, shape=(batch, n_clusters), of projections, shape=(batch, dim)."""
        unit = nn.functional.normalize(projections, dim=1)
        return unit @ nn.functional.normalize(self.weight, dim=1).T


class Teacher(nn.Module):
    """A moving average of an encoder, and the head by which the encoder learns from it.

    Parameters
    ----------
    encoder : ContrastiveNetwork or SpectrogramNetwork
        Copied with its initial weights.
    n_clusters : int
        Number of clusters; 0 for none: the head then predicts the projections (BYOL).
    """

    def __init__(self, encoder: ContrastiveNetwork | SpectrogramNetwork, *, n_clusters: int = 0) -> None:
        super().__init__()
        dim = encoder.config.projection_dim
        if n_clusters:
            self.head: nn.Module = Prototypes(dim, n_clusters)
        else:
            self.head = nn.Sequential(
                nn.Linear(dim, 4 * dim), nn.BatchNorm1d(4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim)
            )
        self.average = copy.deepcopy(encoder)
        self.clusters = copy.deepcopy(self.head) if n_clusters else None
        for parameter in self._taught():
            parameter.requires_grad_(False)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(n_clusters or dim))

    def _taught(self) -> list[nn.Parameter]:
        clusters = [] if self.clusters is None else list(self.clusters.parameters())
        return [*self.average.parameters(), *clusters]

    @torch.no_grad()
    def follow(self, encoder: nn.Module, momentum: float) -> None:
        """Move the average towards the encoder, and that of the clusters towards the head.

        Parameters
        ----------
        encoder : Module
        momentum : float
            Share of the average that stays.
        """
        names = dict(encoder.named_parameters())
        for name, old in self.average.named_parameters():
            old.lerp_(names[name], 1.0 - momentum)
        buffers = dict(encoder.named_buffers())
        for name, kept in self.average.named_buffers():
            kept.copy_(buffers[name])
        if self.clusters is not None:
            for old, new in zip(self.clusters.parameters(), self.head.parameters(), strict=True):
                old.lerp_(new, 1.0 - momentum)

    def outputs(self, windows: Tensor, projections: Tensor) -> TaughtOutputs:
        """Return what the losses compare.

        Parameters
        ----------
        windows : Tensor, shape=(2 * tracks, n_frames, n_mels)
            The first views of all tracks, then the second ones.
        projections : Tensor, shape=(2 * tracks, projection_dim)
            By the encoder.
        """
        student_a, student_b = self.head(projections).chunk(2)
        with torch.no_grad():
            taught = self.average.projection(self.average(windows))
            if self.clusters is not None:
                taught = self.clusters(taught)
            centre = self.centre.clone()
            if self.training:
                self.centre.lerp_(taught.mean(dim=0), 1.0 - _CENTRE_MOMENTUM)
        teacher_a, teacher_b = taught.chunk(2)
        return TaughtOutputs(student_a, student_b, teacher_a, teacher_b, centre)
