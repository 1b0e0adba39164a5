"""The losses, and the equivariance that the network has by construction."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.training.data.views import stretch  # noqa: E402
from tempocli.training.tempo.losses import cross_entropy, equivariance, soft_targets  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig, TempoNetwork  # noqa: E402
from tempocli.training.tempo.shifts import fold, roll  # noqa: E402

AXIS = {"min_bpm": 30.0, "bins_per_octave": 48, "n_bins": 160}


def test_targets_peak_at_the_tempo_and_spread_the_unknown_evenly() -> None:
    target = soft_targets(torch.tensor([60.0, float("nan")]), width=1.0, **AXIS)
    torch.testing.assert_close(target.sum(dim=1), torch.ones(2))
    assert target[0].argmax() == 48
    torch.testing.assert_close(target[1], torch.full((160,), 1 / 160))


def test_cross_entropy_is_least_at_the_target() -> None:
    target = soft_targets(torch.tensor([100.0]), width=1.0, **AXIS)
    assert cross_entropy(torch.log(target), target) < cross_entropy(torch.zeros(1, 160), target)


def test_folding_keeps_the_sum_and_joins_octaves() -> None:
    probabilities = torch.softmax(torch.randn(3, 160), dim=1)
    torch.testing.assert_close(fold(probabilities, 48).sum(dim=1), torch.ones(3))
    one = torch.zeros(1, 160)
    one[0, 10] = one[0, 58] = one[0, 106] = 1.0
    assert fold(one, 48)[0, 10] == 3.0


@pytest.mark.parametrize("shift", [0.0, 1.0, 5.5, -3.25, 47.0, 48.0, -100.0])
def test_rolling_is_circular_and_can_be_undone(shift: float) -> None:
    folded = torch.rand(2, 48)
    moved = roll(folded, torch.full((2,), shift))
    torch.testing.assert_close(moved.sum(dim=1), folded.sum(dim=1))
    if shift == int(shift):
        torch.testing.assert_close(roll(moved, torch.full((2,), -shift)), folded)
        torch.testing.assert_close(moved, folded.roll(int(shift), dims=1))


def shifted_logits(bins: int) -> torch.Tensor:
    places = torch.arange(160.0)
    return -0.5 * (places - 60.0 - bins) ** 2


def test_equivariance_is_least_at_the_true_shift() -> None:
    a, b = shifted_logits(0)[None], shifted_logits(12)[None]

    def loss(bins: float) -> float:
        ratio = torch.tensor([bins / 48.0])
        return equivariance(a, b, ratio, bins_per_octave=48, sharpness=1.0).item()

    losses = {bins: loss(bins) for bins in range(-24, 25)}
    assert min(losses, key=losses.__getitem__) == 12


def test_equivariance_does_not_see_the_octave() -> None:
    a, b, octave_up = shifted_logits(0)[None], shifted_logits(12)[None], shifted_logits(60)[None]
    ratio = torch.tensor([0.25])
    same = equivariance(a, b, ratio, bins_per_octave=48, sharpness=1.0)
    up = equivariance(a, octave_up, ratio, bins_per_octave=48, sharpness=1.0)
    torch.testing.assert_close(same, up, atol=1e-3, rtol=0)


def test_equivariance_is_symmetric_and_has_no_pole() -> None:
    a, b, ratio = torch.randn(4, 160), torch.randn(4, 160), torch.rand(4) - 0.5
    forth = equivariance(a, b, ratio, bins_per_octave=48, sharpness=2.0)
    back = equivariance(b, a, -ratio, bins_per_octave=48, sharpness=2.0)
    torch.testing.assert_close(forth, back)
    extreme = (1e4 * torch.randn(4, 160)).requires_grad_()
    equivariance(extreme, b, ratio, bins_per_octave=48, sharpness=2.0).backward()
    assert torch.isfinite(extreme.grad).all()


def test_a_stretch_is_a_shift_on_the_log_tempo_axis(click_track) -> None:
    network = TempoNetwork(NetworkConfig(n_activations=0)).eval()
    frames = FrontEnd().log_mel(click_track(100.0, 20.0)).astype(np.float16)
    rates = (1.0, 2.0 ** (12 / 48))
    spectra = []
    for rate in rates:
        window = torch.from_numpy(stretch(frames, start=0.0, rate=rate, n_frames=1024))[None]
        rise = torch.nn.functional.pad(torch.relu(window[:, 1:] - window[:, :-1]), (0, 0, 1, 0))
        curve = (rise[:, 0::2] + rise[:, 1::2]).mean(dim=2)[:, None]
        spectra.append(network.spectrum(curve - curve.mean())[0, 3])  # the multiple 1
    slow, fast = spectra
    correlation = torch.corrcoef(torch.stack([slow[20:120], fast[32:132]]))[0, 1]
    assert correlation > 0.97
    assert torch.corrcoef(torch.stack([slow[20:120], fast[20:120]]))[0, 1] < 0.6


def test_gradients_reach_every_parameter() -> None:
    network = TempoNetwork(NetworkConfig(n_frames=128, channels=8, time_channels=8, time_blocks=2))
    logits, embedding = network(torch.rand(3, 128, 40))
    (logits.square().sum() + embedding.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_equivariance_loss_does_not_reach_the_context() -> None:
    network = TempoNetwork(NetworkConfig(n_frames=128, channels=8, time_channels=8, time_blocks=2))
    windows = torch.rand(3, 128, 40)
    network.parts(windows)[0].square().sum().backward()
    assert all(parameter.grad is None for parameter in network.context.parameters())
    assert network.octave.weight.grad is None
    network.eval()
    logits, octave, embedding = network.parts(windows)
    assert torch.equal(network(windows)[0], logits + octave)
    assert torch.equal(network(windows)[1], embedding)
