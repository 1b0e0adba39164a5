"""The statistics of the log-mel bands."""

from __future__ import annotations

import numpy as np

from tempocli.features.spectrum import statistics


def test_mean_deviation_and_change_of_each_band() -> None:
    log_mel = np.zeros((4, 2), np.float32)
    log_mel[::2, 0], log_mel[:, 1] = 2.0, 3.0
    # The changes of band 0 are -2, 2 and -2.
    np.testing.assert_allclose(statistics(log_mel), [1.0, 3.0, 1.0, 0.0, np.std([-2, 2, -2]), 0.0], rtol=1e-6)


def test_one_frame_has_no_change() -> None:
    np.testing.assert_allclose(statistics(np.ones((1, 3), np.float32)), [1, 1, 1, 0, 0, 0, 0, 0, 0])
