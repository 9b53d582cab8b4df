"""Files that are damaged at random: reading and checking raise nothing but the project's own errors.

BENCH_MUTATIONS sets how many are tried; the default keeps the fast tests fast.
"""

import json
import os
import random
import shutil

import pytest

from bench.data_config import DataConfig
from bench.datasets import prepare
from bench.datasets.checks import check
from bench.datasets.exports import export
from bench.datasets.prepare import build
from bench.datasets.reading import read_sound
from bench.errors import BenchError

TRIED = int(os.environ.get("BENCH_MUTATIONS", "48"))

TEXTS = [
    b"NaN", b"-1", b"1e999", b"9" * 400, b"null", b"true", b'""', b"{}", b"[]", b"[[[[[[",
    b"../../../etc/passwd", b"/etc/passwd", b"C:\\x.png", b"\x00", b"\xff\xfe", "\ud7ff\u2028".encode(),
    b"\\ud800", b"*a", b"&a [*a]", b"<!DOCTYPE x>", b"&lt;", b"</object>", b"0.5 0.5", b"1e-320", b"\r",
    b",,,,", b'"', b"inf", b"train/images",
]  # fmt: skip


def cut(content, dice):
    return content[: dice.randrange(len(content) + 1)]


def flip(content, dice):
    changed = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def replace_a_token(content, dice):
    tokens = content.replace(b"\n", b" \n ").split(b" ")
    tokens[dice.randrange(len(tokens))] = dice.choice(TEXTS)
    return b" ".join(tokens)


def repeat_a_part(content, dice):
    start = dice.randrange(len(content) + 1)
    return (
        content[:start]
        + content[start : start + dice.randint(1, 200)] * dice.randint(2, 50)
        + content[start:]
    )


def recode(content, dice):
    return content.decode("utf-8", "replace").encode(
        dice.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig"]), "replace"
    )


def retype_json(content, dice):
    try:
        tree = json.loads(content)
    except ValueError:
        return flip(content, dice)
    place, key = tree, None
    while isinstance(place, (dict, list)) and place and (key is None or dice.random() < 0.8):
        above, key = place, dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        place = place[key]
    if key is not None:
        above[key] = dice.choice(
            [None, [], {}, "x", -1, 10**30, 1.5, True, [[1]], "../x", {"id": 1}, float("nan")]
        )
    return json.dumps(tree).encode()


WAYS = [cut, flip, replace_a_token, repeat_a_part, recode, retype_json]


def state(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv"])
def test_damaged_files(coco, tmp_path, form):
    prepared, manifest = build(read_sound(coco.config(), tmp_path), coco.config(), tmp_path / "c")
    source = tmp_path / "source"
    export(source, form, prepared, manifest, images="copy")
    (source / "manifest.json").unlink()
    files = sorted(path for path in source.rglob("*") if path.is_file())
    annotations = [path for path in files if path.suffix != ".png"]
    seed = int(os.environ.get("BENCH_MUTATIONS_SEED", "0"))
    for number in range(TRIED // 4):
        dice = random.Random(f"{form} {seed} {number}")
        work = tmp_path / "work"
        shutil.copytree(source, work / "data")
        path = dice.choice(annotations if dice.random() < 0.8 else files)
        target = work / "data" / path.relative_to(source)
        way = dice.choice(WAYS)
        target.write_bytes(way(target.read_bytes(), dice))
        before = state(work)
        config = DataConfig(source=form, path=work / "data")
        try:
            check(config, tmp_path / "cache")
            prepare(config, tmp_path / "cache")
        except BenchError as error:
            assert len(str(error)) < 30_000, (form, number)
        except Exception as error:
            raise AssertionError(f"{form} {number} {way.__name__} {path.name}") from error
        assert state(work) == before, (form, number)
        shutil.rmtree(work)
