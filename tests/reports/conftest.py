"""A run folder made from made records: three models, two seeds, one failed cell, names that bite."""

import base64
import io
import json
import math
import random
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench import files
from bench.records import (
    CellRecord,
    ClassFigures,
    CocoFigures,
    Description,
    Efficiency,
    EpochRecord,
    Failure,
    FinalRecord,
    GateResult,
    LedgerEntry,
    OperatingPoint,
    Provenance,
    SplitFigures,
    TrainingRecord,
)
from bench.reports.certainty import Certainty
from bench.store import RunFolder, history_row

from .judged import judge_anew, write_predictions, write_scene

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(2)>'
CLASSES = ("bottle", SCRIPT, BREAKOUT, "cigarette $x_1$", "Ünïcode 紙 \u2028 line", "never seen")
MODELS = ("detr", "yolo-n", "frcnn")
SIZE = (160, 120)

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Make = Callable[..., RunFolder]


def provenance() -> Provenance:
    return Provenance(
        bench="0.1.0",
        python="3.11.9",
        platform="Linux 6.1",
        versions={"torch": "2.15.0", "ultralytics": "8.4.190"},
        cpu="Some CPU <i>1</i>",
        cpu_count=2,
        memory_gib=7.6,
        gpu=None,
        started="2025-11-20T07:00:00Z",
        command="bench run --models detr,yolo,frcnn --seeds 0,1",
    )


def figures(ap: float, classes: tuple[str, ...] = CLASSES) -> SplitFigures:
    """Plausible figures around one AP."""
    supports = [120, 64, 31, 12, 3, 0, *([7] * len(classes))][: len(classes)]
    return SplitFigures(
        images=96,
        boxes=sum(supports),
        detections=4000,
        coco=CocoFigures(
            AP=ap,
            AP50=min(1.0, ap * 1.5),
            AP75=ap * 0.9,
            AP_small=ap * 0.4,
            AP_medium=ap,
            AP_large=None,
            AR_1=ap * 0.7,
            AR_10=ap * 1.1,
            AR_100=ap * 1.2,
            AR_small=None,
            AR_medium=ap,
            AR_large=None,
        ),
        AP_25_50_75=min(1.0, ap * 1.2),
        classes=tuple(
            ClassFigures(
                name=name,
                ground_truths=support,
                detections=round(support * (0.5 + ap)) + (2 if index == 5 else 0),
                AP=None if support == 0 else max(0.0, ap - 0.04 * index),
                AP50=None if support == 0 else max(0.0, 1.4 * ap - 0.05 * index),
                AR=None if support == 0 else ap,
            )
            for index, (name, support) in enumerate(zip(classes, supports, strict=True))
        ),
        operating_point=OperatingPoint(
            score_threshold=0.31,
            true_positives=150,
            false_positives=40,
            false_negatives=80,
            precision=0.789 * (0.7 + ap / 2),
            recall=0.652 * (0.7 + ap / 2),
            f1=0.714 * (0.7 + ap / 2),
        ),
    )


def record(
    model: str,
    seed: int,
    ap: float,
    *,
    dataset: str = "scenes-1a2b",
    parameters: int = 3_000_000,
    latency_ms: float = 12.0,
    **changes: Any,
) -> CellRecord:
    """A cell that is done."""
    values: dict[str, Any] = {
        "cell": f"{model}-s{seed}",
        "model": model,
        "seed": seed,
        "dataset": dataset,
        "status": "done",
        "description": Description(
            family=model.partition("-")[0],
            variant="tiny",
            input_size=96,
            parameters=parameters,
            trainable_parameters=parameters // 2,
            pretrained_on="nothing" if model != "frcnn" else "COCO <b>train2017</b>",
            weights=None,
            normalisation="batch norm",
        ),
        "recipe": {"epochs": 12, "batch_size": 16, "lr": 0.001 if model == "detr" else 0.01, "amp": False},
        "options": {"queries": 6} if model == "detr" else {},
        "ledger": (
            LedgerEntry(
                setting="multi_scale", asked="0.2", used="0", why="mosaic has scales of its own <em>"
            ),
        )
        if model == "yolo-n"
        else (),
        "training": TrainingRecord(
            epochs=12,
            best_epoch=11,
            optimizer_steps=336,
            images_seen=5376,
            duration_s=95.0 + seed,
            stopped_early=False,
            chosen_by="AP on val, the harness's judge",
        ),
        "val": figures(ap + 0.01),
        "test": figures(ap),
        "efficiency": Efficiency(
            checkpoint_bytes=4 * parameters,
            latency_ms=latency_ms + seed,
            latency_p95_ms=1.4 * latency_ms,
            images_per_s=1500 / latency_ms,
            throughput_batch=16,
            timed_images=64,
            peak_memory_mib=900 + parameters / 1e5,
            peak_gpu_memory_mib=None,
            device="cpu",
        ),
        "native_metrics": {"mAP50-95": ap + 0.005} if model == "yolo-n" else {},
        "provenance": provenance(),
    }
    return CellRecord(**{**values, **changes})


def failed(model: str, seed: int, *, dataset: str = "scenes-1a2b", reason: str = BREAKOUT) -> CellRecord:
    return CellRecord(
        cell=f"{model}-s{seed}",
        model=model,
        seed=seed,
        dataset=dataset,
        status="failed",
        failure=Failure(stage="fit", reason=f"RuntimeError: out of memory {reason}"),
    )


def invalid(
    model: str, seed: int, *, ap: float = 0.99, reason: str = f"outputs: all one box {BREAKOUT}"
) -> CellRecord:
    """With figures that must not count."""
    gates = (GateResult(name="outputs", passed=False, detail=reason, duration_s=0.1),)
    failure = Failure(stage="gates", reason=reason)
    return record(model, seed, ap, status="invalid", failure=failure, gates=gates)


def usual_records(dataset: str = "scenes-1a2b") -> list[CellRecord]:
    """yolo-n is best; frcnn's second seed failed."""
    big = {"parameters": 19_000_000, "latency_ms": 61.0}
    return [
        record("detr", 0, 0.31, dataset=dataset, parameters=2_100_000, latency_ms=18.0),
        record("detr", 1, 0.35, dataset=dataset, parameters=2_100_000, latency_ms=18.0),
        record("yolo-n", 0, 0.52, dataset=dataset, latency_ms=9.0),
        record("yolo-n", 1, 0.55, dataset=dataset, latency_ms=9.0),
        record("frcnn", 0, 0.47, dataset=dataset, **big),
        failed("frcnn", 1, dataset=dataset),
    ]


@pytest.fixture
def make_record() -> Callable[..., CellRecord]:
    return record


@pytest.fixture
def make_final() -> Callable[..., CellRecord]:
    """A record of a cell that was trained once more, on train and val together."""

    def final(model: str, seed: int, ap: float, final_ap: float) -> CellRecord:
        chosen = record(model, seed, ap)
        assert chosen.training is not None
        training = chosen.training.model_copy(update={"epochs": 7})
        return chosen.model_copy(
            update={"final": FinalRecord(images=330, training=training, test=figures(final_ap))}
        )

    return final


@pytest.fixture
def make_invalid() -> Callable[..., CellRecord]:
    return invalid


@pytest.fixture
def make_failed() -> Callable[..., CellRecord]:
    return failed


@pytest.fixture
def certain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """certain(image_sd) -> reports know the models' figures, and that the test images are so much chance."""

    def certain(image_sd: float, units: int = 200) -> None:
        def certainty(
            models: Mapping[str, Sequence[tuple[RunFolder, CellRecord]]], margin: float = 0.01, **_: Any
        ) -> Certainty:
            figures = [_figures(item) for trainings in models.values() for _, item in trainings]
            names = [name for name in figures[0] if all(name in found for found in figures)]
            values = np.array([[found[name] for name in names] for found in figures])
            chance = np.random.default_rng(0)
            luck = [
                np.repeat(chance.normal(0, image_sd, (400, 1)), len(trainings), axis=1)
                for trainings in models.values()
            ]
            draws = np.concatenate(luck, axis=1)[:, :, None] + values
            seeds = tuple(len(trainings) for trainings in models.values())
            return Certainty(tuple(models), seeds, tuple(names), values, draws, units, units, margin)

        monkeypatch.setattr("bench.reports.certainty.certainty", certainty)
        monkeypatch.setattr("bench.reports.search.verdict.certainty", certainty)

    return certain


def _figures(item: CellRecord) -> dict[str, float]:
    test = item.ranked
    assert test is not None
    known = {"AP": test.coco.AP, "AP_small": test.coco.AP_small, "AP_rare": test.AP_rare}
    known |= {f"AP/{c.name}": c.AP for c in test.classes}
    return {name: value for name, value in known.items() if value is not None}


@pytest.fixture
def make_run(tmp_path: Path) -> Make:
    """make_run(name, records=..., **parts) -> a run folder; `without` names files to leave out."""

    def make(
        name: str = "run-1",
        records: list[CellRecord] | None = None,
        *,
        dataset: str = "scenes-1a2b",
        classes: tuple[str, ...] = CLASSES,
        cells: tuple[str, ...] | None = None,
        without: tuple[str, ...] = (),
    ) -> RunFolder:
        records = usual_records(dataset) if records is None else records
        run = RunFolder(tmp_path / "runs" / name)
        files.write_json(
            run.info_path,
            {
                "version": 1,
                "name": name,
                "layout": "/nowhere",
                "dataset": dataset,
                "classes": classes,
                "cells": cells or [item.cell for item in records],
                "provenance": provenance().model_dump(),
            },
        )
        files.write_text(run.config_path, "name: bench\ndata: {source: synthetic}\nmodels: [detr]\n")
        files.write_json(run.manifest_path, manifest(dataset, classes))
        boxes = _write_samples(run, classes)
        for item in records:
            cell = run.cell(item.cell)
            files.write_text(cell.record_path, item.model_dump_json())
            if item.status == "done":
                cell.write_history(history(item))
                files.write_json(cell.predictions_path("test"), predictions(boxes, item))
        for path in without:
            (run.root / path).unlink()
        return run

    return make


@pytest.fixture
def judged(make_run: Make) -> Make:
    """judged("a", "b", seeds=2, images=120) -> a run whose records are those of its predictions, best
    first."""

    def judged(
        *models: str,
        seeds: int = 2,
        images: int = 120,
        classes: tuple[str, ...] = CLASSES[:5],
        name: str = "judged",
    ) -> RunFolder:
        cells = [
            (record(model, seed, 0.5, rare_classes=(classes[-1],)), 0.9 - 0.15 * number)
            for number, model in enumerate(models)
            for seed in range(seeds)
        ]
        run = make_run(name, records=[item for item, _ in cells], classes=classes)
        write_scene(run, classes, images)
        for item, skill in cells:
            write_predictions(run, item, skill, len(classes))
            judge_anew(run, item)
        return run

    return judged


def manifest(dataset: str, classes: tuple[str, ...]) -> dict[str, Any]:
    counts = [900, 410, 200, 90, 21, 0, *([50] * len(classes))][: len(classes)]
    return {
        "key": dataset,
        "classes": list(classes),
        "source": {"format": "synthetic", "licence": "CC BY 4.0 <u>", "images": 640},
        "split": {"kind": "random", "seed": 0, "counts": {"train": 448, "val": 96, "test": 96}},
        "table": {
            "table": "mine.yaml",
            "rows": [
                *({"source": f"raw {name}", "class": name, "boxes": 10} for name in classes),
                {"source": "dust <s>", "class": None, "boxes": 99},
            ],
        },
        "limit": None,
        "statistics": {
            split: {
                "images": images,
                "boxes": sum(counts) // part,
                "background": images // 10,
                "crowds": 0,
                "sizes": {"small": sum(counts) // part - 5, "medium": 5, "large": 0},
                "width_px": {"min": 96, "median": 160.0, "max": 1280},
                "height_px": {"min": 120, "median": 120.0, "max": 120},
                "classes": {name: count // part for name, count in zip(classes, counts, strict=True)},
            }
            for split, images, part in (("train", 448, 1), ("val", 96, 5), ("test", 96, 5))
        },
        "repairs": {
            "clipped": {
                "count": 250,
                "meaning": "boxes that reached out of their picture, cut at its edge",
                "listed": [
                    {
                        "image": f"train/{BREAKOUT}{index}.png",
                        "record": f"annotation {index}",
                        "detail": "by 3 px",
                    }
                    for index in range(250)
                ],
            },
            "unreadable": {"count": 1, "meaning": "set aside", "listed": [{"image": SCRIPT}]},
        },
    }


def history(item: CellRecord) -> list[dict[str, float]]:
    """Twelve epochs that rise to the record's AP."""
    assert item.test is not None
    reached = item.test.coco.AP or 0.0
    chance = random.Random(f"{item.model}{item.seed}")
    parts = {"detr": ("class", "box", "giou"), "yolo-n": ("box", "cls", "dfl")}.get(
        item.model, ("classifier", "box_reg", "objectness", "rpn_box_reg")
    )
    return [
        history_row(
            EpochRecord(
                epoch=epoch,
                epochs=12,
                train_losses={p: (1 + i) * math.exp(-epoch / 5) + 0.1 for i, p in enumerate(parts)},
                val_losses={p: (1 + i) * math.exp(-epoch / 6) + 0.2 for i, p in enumerate(parts)},
                val_metrics={
                    "AP": reached * (1 - math.exp(-epoch / 3)) + chance.uniform(-0.01, 0.01),
                    "AP50": 0.5,
                },
                learning_rates={"head": 1e-3},
                optimizer_steps=28 * epoch,
                images_seen=448 * epoch,
                duration_s=7.9,
            )
        )
        for epoch in range(1, 13)
    ]


def predictions(boxes: list[dict[str, Any]], item: CellRecord) -> list[dict[str, Any]]:
    """Each truth shifted a little with a good score, and one false alarm a picture."""
    chance = random.Random(f"{item.cell}")
    found = [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"],
            "bbox": [side + chance.uniform(-3, 3) for side in box["bbox"]],
            "score": round(chance.uniform(0.2, 0.98), 3),
        }
        for box in boxes
    ]
    alarms = [
        {"image_id": image, "category_id": 2, "bbox": [5.0, 2.0, 30.0, 20.0], "score": 0.4 + image / 100}
        for image in (1, 2, 3, 4)
    ]
    return found + alarms


def _write_samples(run: RunFolder, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Four drawn pictures, the last one background; returns their annotations."""
    chance = random.Random(5)
    images, boxes, samples = [], [], []
    for image_id in (1, 2, 3, 4):
        name = f"photo {image_id}.jpg" if image_id != 2 else BREAKOUT
        image = Image.new("RGB", SIZE, (214, 220, 208))
        draw = ImageDraw.Draw(image)
        for _ in range(0 if image_id == 4 else image_id + 1):
            w, h = chance.randint(24, 60), chance.randint(20, 50)
            x, y = chance.randint(0, SIZE[0] - w), chance.randint(0, SIZE[1] - h)
            label = chance.randrange(min(5, len(classes)))
            draw.ellipse((x, y, x + w, y + h), fill=[(180, 60, 50), (40, 90, 160), (60, 130, 70)][label % 3])
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        content = io.BytesIO()
        image.save(content, "JPEG", quality=85)
        files.write_bytes(run.samples_dir / f"{image_id}.jpg", content.getvalue())
        images.append({"id": image_id, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        samples.append(
            {
                "image_id": image_id,
                "file_name": name,
                "size_wh": SIZE,
                "scale": 1.0,
                "image": f"{image_id}.jpg",
            }
        )
    files.write_json(run.samples_dir / "samples.json", samples)
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(classes)]
    for split in ("val", "test"):
        files.write_json(
            run.ground_truth_path(split),  # type: ignore[arg-type]
            {"images": images, "annotations": boxes, "categories": categories},
        )
    return json.loads(json.dumps(boxes))


class Chromium:
    """A page in a headless Chromium, driven through chromedriver's own HTTP protocol."""

    def __init__(self, driver: str, profile: Path, *, width: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._base = f"http://127.0.0.1:{free.getsockname()[1]}"
        port = self._base.rpartition(":")[2]
        self._process = subprocess.Popen(
            [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait()
            options: dict[str, Any] = {"args": [*CHROMIUM_FLAGS, f"--user-data-dir={profile}"]}
            if width < 700:
                options["mobileEmulation"] = {
                    "deviceMetrics": {"width": width, "height": 844, "pixelRatio": 2}
                }
            answer = self._call(
                "POST",
                "/session",
                {
                    "capabilities": {
                        "alwaysMatch": {
                            "browserName": "chrome",
                            "goog:chromeOptions": options,
                            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                        }
                    }
                },
            )
            self._session = f"/session/{answer['sessionId']}"
            if width >= 700:
                self.devtools(
                    "Emulation.setDeviceMetricsOverride",
                    {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
                )
        except BaseException:
            self._stop()
            raise

    def open(self, page: Path) -> None:
        self._call("POST", f"{self._session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str) -> Any:
        """The value that the body of a JavaScript function returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        body = {"cmd": command, "params": parameters}
        return self._call("POST", f"{self._session}/goog/cdp/execute", body)

    def console(self) -> list[str]:
        """What the browser complained of since the last call."""
        found = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in found]

    def requests(self) -> list[str]:
        """Every address that the page asked for since the last call."""
        found = self._call("POST", f"{self._session}/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in found]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [item["request"]["url"] for item in sent]

    def pdf(self) -> bytes:
        """The page on A4 paper."""
        body = {"background": True, "page": {"width": 21.0, "height": 29.7}}
        return base64.b64decode(self._call("POST", f"{self._session}/print", body))

    def close(self) -> None:
        try:
            self._call("DELETE", self._session)
        finally:
            self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._call("GET", "/status")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Callable[[int], Chromium]]:
    """chromium(width) -> a browser of that width in CSS pixels; skips where none is installed."""
    driver = shutil.which("chromedriver")
    if driver is None or not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no chromium and chromedriver on this machine (Debian: chromium, chromium-driver)")
    opened: list[Chromium] = []

    def start(width: int) -> Chromium:
        opened.append(Chromium(driver, tmp_path / f"profile-{len(opened)}", width=width))
        return opened[-1]

    yield start
    for browser in opened:
        browser.close()
