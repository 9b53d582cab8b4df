"""Where YOLO is not treated like the other families, for the report. Light."""

from bench.adapters.yolo.options import AUGMENTATIONS, YoloOptions
from bench.adapters.yolo.schedule import schedules_steps
from bench.recipe import Recipe
from bench.records import LedgerEntry

EMA_RISE = "rising to it over thousands of steps"


def ledger(asked: Recipe, used: Recipe, options: YoloOptions) -> tuple[LedgerEntry, ...]:
    """All entries that are known before the training."""
    entries = [_checkpoint(asked, used), *_schedule(asked, used, options), *_devices(asked)]
    if own := _augmentations(options):
        entries.insert(
            0,
            _entry(
                "augmentation",
                f"flip {asked.flip:g}",
                f"flip {asked.flip:g} and {own}",
                "YOLO's own recipe, without which it is not the YOLO that people use",
            ),
        )
    if asked.image_size is not None and asked.image_size != used.image_size:
        why = "its input is a square, a multiple of the coarsest stride; only the long side counts"
        entries.append(_entry("image_size", asked.image_size, used.image_size, why))
    if options.auto_optimizer:
        entries.append(
            _entry("optimizer", "auto", "what ultralytics chooses", "auto_optimizer: its own rule decides")
        )
    return tuple(entries)


def _checkpoint(asked: Recipe, used: Recipe) -> LedgerEntry:
    if asked.ema is None:
        weights, why = "the weights of the best epoch", "ultralytics keeps no other"
    else:
        weights, why = f"their average with decay {asked.ema:g}", "ultralytics' own way to average"
    average = f"their exponential moving average (decay {used.ema:g}, {EMA_RISE}), in half precision"
    return _entry("checkpoint", weights, average, why)


def _schedule(asked: Recipe, used: Recipe, options: YoloOptions) -> list[LedgerEntry]:
    entries = []
    if not schedules_steps(used) and used.schedule in ("linear", "cosine"):
        entries.append(
            _entry(
                "schedule",
                f"{used.schedule}, step by step after the warm-up",
                f"{used.schedule}, epoch by epoch from the start",
                "ultralytics' own way",
            )
        )
    if asked.warmup_epochs not in (None, used.warmup_epochs):
        entries.append(
            _entry("warmup_epochs", asked.warmup_epochs, used.warmup_epochs, "the last epoch is not warm-up")
        )
    if used.budget is not None and used.budget.seconds is not None and _closes(options):
        entries.append(
            _entry(
                "close_mosaic",
                f"in the last {options.close_mosaic} epochs",
                f"in about the last {options.close_mosaic} epochs",
                "a clock ends the training: the end is guessed from the epochs so far",
            )
        )
    return entries


def _devices(asked: Recipe) -> list[LedgerEntry]:
    """What depends on the device, which a plan does not know."""
    entries = []
    if asked.workers:
        entries.append(
            _entry("workers", asked.workers, "0 on a CPU", "ultralytics loads in its own process there")
        )
    if asked.amp is True:
        entries.append(_entry("amp", True, "float32 on a CPU", "ultralytics mixes precisions on GPUs alone"))
    return entries


def _entry(setting: str, asked: object, used: object, why: str) -> LedgerEntry:
    return LedgerEntry(setting=setting, asked=str(asked), used=str(used), why=why)


def _augmentations(options: YoloOptions) -> str:
    settings = options.model_dump()
    named = [f"{setting} {settings[setting]:g}" for setting in AUGMENTATIONS if settings[setting]]
    if _closes(options):
        named.append(f"no mosaic, mixup and cutmix in the last {options.close_mosaic} epochs")
    return ", ".join(named)


def _closes(options: YoloOptions) -> bool:
    """Whether close_mosaic makes a difference."""
    return bool(options.close_mosaic) and any((options.mosaic, options.mixup, options.cutmix))
