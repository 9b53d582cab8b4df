"""Do the intervals hold? Simulated detectors of known quality, judged on splits of known size.

    nice python benchmarks/coverage.py simulate [--blocks 16] [--work .bench/coverage]   # 15 CPU minutes
    python benchmarks/coverage.py report [--work .bench/coverage]         # docs/coverage.csv, docs/claims.csv
    python benchmarks/coverage.py check                                   # its AP against pycocotools'

`simulate` draws test splits of 30 to 1,000 images, trains eight models with up to five seeds on paper
(benchmarks/simulated.py), and keeps of every run the figures of the trainings and what resampling the images
says of them. It saves every block of runs when it is finished, and goes on where it was killed. `report`
computes from these blocks how often each method's 95 % interval holds the true difference, and how often each
sentence of the verdict is false.
"""

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import coverage_page
import numpy as np
from coverage_design import (
    ALL_SEEDS,
    BLOCK,
    CELLS,
    DRAWS,
    FAMILIES,
    PAIR_BLOCK,
    PAIR_RUNS,
    PAIRS,
    POPULATIONS,
    SEEDS,
    SPLITS,
    STARTS,
    Split,
)
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from simulated import (
    CLASS_SHARES,
    IOUS,
    Model,
    Scene,
    average_precision,
    calibrated,
    population_ap,
    scene,
    train,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Eight models on one start, and their true AP."""

    models: tuple[Model, ...]
    truth: Array  # (8,)


def world(start: str) -> World:
    luck, noise, affinity = STARTS[start]
    plain = Model(noise=noise, affinity=affinity, seed_sd=luck)
    other = replace(plain, localisation=0.5, alarms=0.7, seed_sd=1.3 * luck)
    target = population_ap(plain)[0]
    twin = calibrated(other, target)
    worse, behind = calibrated(other, target - 0.01), calibrated(other, target - 0.04)
    # One population is not exact enough: equal on the first, the two styles differ by 0.0005 over all.
    a, b, c, d = (
        np.mean([population_ap(model, seed=1 + number)[0] for number in range(POPULATIONS)])
        for model in (plain, twin, worse, behind)
    )
    return World((*(plain, twin) * 3, worse, behind), np.array([a, b, a, b, a, b, c, d]))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("simulate", "report", "check"))
    parser.add_argument("--blocks", type=int, default=16, help="of 25 runs for each start and split")
    parser.add_argument("--work", type=Path, default=Path(".bench/coverage"), help="where blocks are kept")
    asked = parser.parse_args()
    if asked.step == "simulate":
        simulate(asked.work, asked.blocks)
    elif asked.step == "check":
        check()
    else:
        coverage_page.write(asked.work)
    return 0


def simulate(work: Path, blocks: int) -> None:
    """Every block that is not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    worlds = {start: world(start) for start in STARTS}
    simulate_pairs(work, worlds)
    for block in range(blocks):  # all settings a little, then more of all
        for number, start in enumerate(STARTS):
            for split in SPLITS:
                path = work / f"{start}-{split.name}-{block}.npz"
                if block % split.every or path.exists():
                    continue
                begun = time.process_time()
                found = [
                    one_run(
                        worlds[start],
                        split,
                        np.random.default_rng((block, run, split.images, split.copies, number)),
                    )
                    for run in range(BLOCK)
                ]
                columns = {key: np.array([run[key] for run in found]) for key in found[0]}
                partial = path.with_suffix(".part.npz")
                np.savez_compressed(partial, truth=worlds[start].truth, **columns)
                partial.replace(path)
                print(f"{path.name}: {time.process_time() - begun:.0f} CPU s", flush=True)


def simulate_pairs(work: Path, worlds: dict[str, World]) -> None:
    """Many runs of two equal models alone: values (runs, trainings) and covariance over draws."""
    for start, of in worlds.items():
        for (images, seeds), runs in PAIR_RUNS.items():
            for block in range(runs // PAIR_BLOCK):
                path = work / f"pair-{start}-{images}-{seeds}-{block}.npz"
                if path.exists():
                    continue
                first = block * PAIR_BLOCK
                found = [pair_run(of, images, seeds, run) for run in range(first, first + PAIR_BLOCK)]
                partial = path.with_suffix(".part.npz")
                np.savez_compressed(
                    partial,
                    truth=of.truth[:2],
                    values=np.array([both[0] for both in found]),
                    covariance=np.array([np.cov(both[1:], rowvar=False) for both in found]),
                )
                partial.replace(path)


def pair_run(of: World, images: int, seeds: int, run: int) -> Array:
    """Figures of both models' trainings on the split itself and on each draw, (1 + draws, trainings)."""
    rng = np.random.default_rng((7, run, images, seeds))
    seen = scene(images, rng)
    weights = rng.multinomial(images, np.full(images, 1 / images), DRAWS)
    stacked = np.vstack([np.ones((1, images)), weights]).T.astype(np.float32).copy()
    return np.column_stack(
        [
            average_precision(seen, *training, stacked)
            for model in of.models[:2]
            for training in train(model, model.seed_sd * rng.normal(size=seeds), seen, rng)
        ]
    )


def one_run(of: World, split: Split, rng: np.random.Generator) -> dict[str, Array]:
    """values (cells,), covariance (cells, cells) over draws of groups, and what only the draws can tell.

    For a split of copies also the covariance over draws of single images.
    """
    seen = scene(split.images, rng, split.copies)
    groups = split.images // split.copies
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), DRAWS)[:, seen.group]
    single = weights[:0]
    if split.copies > 1:
        single = rng.multinomial(split.images, np.full(split.images, 1 / split.images), DRAWS)
    rows = np.vstack([np.ones((1, split.images)), weights, single])
    stacked = np.ascontiguousarray(rows.T, dtype=np.float32)
    both = np.column_stack(
        [
            average_precision(seen, *training, stacked)
            for model, seeds in zip(of.models, ALL_SEEDS, strict=True)
            for training in train(model, model.seed_sd * rng.normal(size=seeds), seen, rng)
        ]
    )
    values, draws, ungrouped = both[0], both[1 : DRAWS + 1], both[DRAWS + 1 :]
    found = {
        "values": values,
        "covariance": np.cov(draws, rowvar=False).astype(np.float32),
        "percentile": np.array(list(_percentiles(values, draws, rng))),
        "simultaneous": np.array(list(_simultaneous(values, draws, rng))),
    }
    if len(ungrouped):
        found["covariance_of_images"] = np.cov(ungrouped, rowvar=False).astype(np.float32)
    return found


def _means(draws: Array, model: int, seeds: int, rng: np.random.Generator | None) -> Array:
    """(B,) means over the model's first `seeds` seeds, or over as many redrawn from them."""
    mine = draws[:, CELLS[model] : CELLS[model] + seeds]
    if rng is None:
        return np.asarray(mine.mean(axis=1))
    picked = rng.integers(seeds, size=mine.shape)
    return np.asarray(np.take_along_axis(mine, picked, axis=1).mean(axis=1))


def _percentiles(values: Array, draws: Array, rng: np.random.Generator) -> Iterator[Array]:
    """For every pair and number of seeds: images alone, two levels, two levels bias-corrected; (3, 2)."""
    from scipy.stats import norm

    for one, two in PAIRS:
        for seeds in SEEDS:
            if seeds > min(ALL_SEEDS[one], ALL_SEEDS[two]):
                yield np.full((3, 2), np.nan)
                continue
            estimate = np.subtract(*(values[CELLS[m] : CELLS[m] + seeds].mean() for m in (one, two)))
            images = np.subtract(*(_means(draws, m, seeds, None) for m in (one, two)))
            both = np.subtract(*(_means(draws, m, seeds, rng) for m in (one, two)))
            shift = norm.ppf(np.clip(np.mean(both < estimate), 0.5 / DRAWS, 1 - 0.5 / DRAWS))
            corrected = norm.cdf(2 * shift + norm.ppf([0.025, 0.975]))
            yield np.array(
                [
                    np.quantile(images, (0.025, 0.975)),
                    np.quantile(both, (0.025, 0.975)),
                    np.quantile(both, corrected),
                ]
            )


def _simultaneous(values: Array, draws: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Max-t over all pairs of the first k models, two levels: the greatest |t| seen and the one allowed."""
    for family in FAMILIES:
        for seeds in SEEDS:
            if seeds > min(ALL_SEEDS[:family]):
                yield np.full(2, np.nan)
                continue
            means = np.column_stack([_means(draws, m, seeds, rng) for m in range(family)])
            centre = np.array([values[CELLS[m] : CELLS[m] + seeds].mean() for m in range(family)])
            one, two = np.triu_indices(family, 1)
            differences = means[:, one] - means[:, two]
            sd = np.maximum(differences.std(axis=0, ddof=1), 1e-12)
            t = np.abs(differences - (centre[one] - centre[two])) / sd
            yield np.array([np.max(np.abs(centre[one] - centre[two]) / sd), np.quantile(t.max(axis=1), 0.95)])


def check() -> None:
    """The AP of a small split, and of one with copied images, against pycocotools. Raises AssertionError.

    A recall that equals a threshold reaches it here; in pycocotools that depends on how both are rounded.
    """
    rng = np.random.default_rng(0)
    seen = scene(25, rng)
    ((strength, overlap),) = train(Model(), [0.0], seen, rng)
    for weights in (np.ones(25), rng.multinomial(25, np.full(25, 1 / 25)).astype(np.float64)):
        ours = average_precision(seen, strength, overlap, weights[:, None])[0]
        theirs = reference_ap(seen, strength, overlap, weights.astype(int))
        assert abs(ours - theirs) < 1e-4, (ours, theirs)
        print(f"AP {ours:.6f}, pycocotools {theirs:.6f}")


def reference_ap(seen: Scene, strength: Array, overlap: Array, weights: NDArray[np.int64]) -> float:
    """pycocotools' AP over IOUS of real boxes: each item has a place of its own, and as wide a detection of
    the object as gives its overlap; image i is there weights[i] times."""
    copies = np.repeat(np.arange(seen.images), weights)
    truth = COCO()
    found, boxes = [], []
    for image_id, image in enumerate(copies, 1):
        for item in np.flatnonzero(seen.image == image):
            common = {"image_id": image_id, "category_id": int(seen.label[item]) + 1}
            place = 1000.0 * item
            if seen.is_object[item]:
                box = {"id": len(boxes) + 1, "bbox": [place, 0.0, 100.0, 100.0], "area": 1e4, "iscrowd": 0}
                boxes.append(common | box)
            width = 100 * overlap[item] if seen.is_object[item] else 100.0
            score = 1 / (1 + np.exp(-strength[item]))
            found.append(common | {"bbox": [place, 0.0, width, 100.0], "score": score})
    truth.dataset = {
        "info": {},
        "images": [{"id": image_id} for image_id in range(1, len(copies) + 1)],
        "annotations": boxes,
        "categories": [{"id": label + 1, "name": str(label)} for label in range(len(CLASS_SHARES))],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluator.params.iouThrs = np.array(IOUS)
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    return float(precision[precision > -1].mean())


if __name__ == "__main__":
    sys.exit(main())
