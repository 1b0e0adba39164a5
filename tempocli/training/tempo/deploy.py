"""Conversion of the network to the form that is fastest in onnxruntime, with the same weights and outputs.

Training is fastest with matrix products and channels last. Inference is fastest with convolutions:
onnxruntime's kernels for blocks of channels take half the time.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.training.tempo.network import TempoNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tempocli.training.layers.time_branch import TimeBlock, TimeBranch
    from tempocli.training.tempo.scalar import AnyTempo


def deployable(network: AnyTempo) -> AnyTempo:
    """Copy a network with its time branch as convolutions.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
        In evaluation mode.

    Returns
    -------
    TempoNetwork or ScalarNetwork
        Gives the same outputs up to rounding; for inference only.
    """
    deployed = copy.deepcopy(network)
    if isinstance(deployed, TempoNetwork) and network.config.n_activations:
        deployed.branch = _ConvBranch(deployed.branch)  # type: ignore[assignment]
    return deployed.eval()


def undeployed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of `deployable`'s copy as those of the network it was made of.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        By name; others than those of the time branch are kept.
    """
    return dict(_as_matrix(name, tensor) for name, tensor in tensors.items())


def _as_matrix(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if not name.startswith("branch.") or tensor.dim() != 4:
        return name, tensor
    if name == "branch.first.weight":
        return name, tensor.transpose(2, 3).reshape(len(tensor), -1)
    if name in {"branch.second.weight", "branch.gather.weight"}:
        return name, tensor[..., 0].transpose(1, 2).reshape(len(tensor), -1)
    if name.endswith(".taps.weight"):
        return name.removesuffix(".weight"), tensor.reshape(len(tensor), -1).T.contiguous()
    return name, tensor[:, :, 0, 0]


class _ConvBlock(nn.Module):
    def __init__(self, block: TimeBlock) -> None:
        super().__init__()
        width, reach = block.taps.shape[1], 2 * block.dilation
        self.norm = _as_2d(block.norm)
        self.taps = nn.Conv2d(
            width, width, (1, 5), padding=(0, reach), dilation=(1, block.dilation), groups=width, bias=False
        )
        self.taps.weight.data = block.taps.data.T.reshape(width, 1, 1, 5)
        self.widen, self.narrow = _pointwise(block.widen), _pointwise(block.narrow)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.narrow(torch.relu(self.widen(self.taps(self.norm(x)))))
        return x + found


class _ConvBranch(nn.Module):
    """`TimeBranch` with channels first: (batch, channels, bands, frames)."""

    def __init__(self, branch: TimeBranch) -> None:
        super().__init__()
        first, second, gather = branch.first, branch.second, branch.gather
        n_first, n_second, n_joined = first.out_features, second.out_features, branch.n_joined
        self.norm = _as_2d(branch.norm)
        self.first = nn.Conv2d(1, n_first, (6, 3), stride=(3, 1), padding=(0, 1))
        self.first.weight.data = first.weight.data.reshape(n_first, 1, 3, 6).transpose(2, 3)
        self.second = nn.Conv2d(n_first, n_second, (3, 1), stride=(3, 1))
        self.second.weight.data = second.weight.data.reshape(n_second, 3, n_first).transpose(1, 2)[..., None]
        self.gather = nn.Conv2d(n_second, gather.out_features, (n_joined, 1))
        joined = gather.weight.data.reshape(gather.out_features, n_joined, n_second)
        self.gather.weight.data = joined.transpose(1, 2)[..., None]
        for conv, linear in ((self.first, first), (self.second, second), (self.gather, gather)):
            assert conv.bias is not None
            conv.bias.data = linear.bias.data
        self.blocks = nn.Sequential(*(_ConvBlock(block) for block in branch.blocks))  # type: ignore[arg-type]
        self.last = _pointwise(branch.last)
        self.n_bands = 3 * (3 * n_joined - 1) + 6  # without the bands that no patch covers

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        halved = 0.5 * (log_mel[:, 0::2] + log_mel[:, 1::2])
        x = self.norm(halved.transpose(1, 2)[:, None])[:, :, : self.n_bands]
        x = torch.relu(self.gather(torch.relu(self.second(torch.relu(self.first(x))))))
        x = self.blocks(x)
        return torch.sigmoid(self.last(x))[:, :, 0], x[:, :, 0].transpose(1, 2)


def _pointwise(linear: nn.Linear) -> nn.Conv2d:
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
    assert conv.bias is not None
    conv.weight.data, conv.bias.data = linear.weight.data[:, :, None, None], linear.bias.data
    return conv


def _as_2d(norm: nn.Module) -> nn.BatchNorm2d:
    assert isinstance(norm, nn.BatchNorm1d)
    other = nn.BatchNorm2d(norm.num_features)
    other.load_state_dict(norm.state_dict())
    return other
