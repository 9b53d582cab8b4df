"""Models whose figure is a plain mean over images, so that every variance is known."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.statistics import Sample, image_weights

Make = Callable[..., Sample]


@pytest.fixture
def of_means() -> Make:
    """of_means(means, seeds, images, shared, seed, interplay, rng) -> the sample of one simulated run."""

    def make(
        means: tuple[float, ...],
        seeds: tuple[int, ...],
        images: int = 100,
        shared: float = 0.1,
        seed: float = 0.01,
        interplay: float = 0.1,
        rng: int = 0,
        draws: int = 200,
    ) -> Sample:
        chance = np.random.default_rng(rng)
        scores = []  # (images,) of every training
        for mean, amount in zip(means, seeds, strict=True):
            own = chance.normal(0, shared, images)
            scores += [
                mean + own + chance.normal(0, seed) + chance.normal(0, interplay, images)
                for _ in range(amount)
            ]
        table = np.array(scores) + chance.normal(0, 0.3, images)  # how hard an image is for everyone
        weights = image_weights(np.arange(images), draws, rng)
        ends = np.cumsum(seeds)[:-1]
        values = np.split(table.mean(axis=1), ends)
        names = [f"m{index}" for index in range(len(means))]
        sample = Sample.of(names, [v.tolist() for v in values], weights @ table.T / images, images)
        assert sample is not None
        return sample

    return make
