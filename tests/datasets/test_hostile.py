"""Files that are made to block, to exhaust memory or never to end."""

import io
import os
import struct
import threading
import time
import zlib

import pytest
from PIL import Image

from bench import image_groups
from bench.config import read_config
from bench.datasets import propose_config
from bench.datasets.image_files import _Decoding, inspect
from bench.errors import ConfigError, DataError


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_bomb_in_a_text_chunk() -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stored, format="PNG")
    whole = stored.getvalue()
    return whole[:33] + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000))) + whole[33:]


def test_a_fifo_and_a_device_are_no_pictures(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    for name in ("a.jpg", "b.jpg"):
        assert inspect(str(tmp_path / name)).problem == "can't be read: not a regular file"


def test_a_bomb_in_a_text_chunk_is_a_problem_of_that_picture(coco, tmp_path):
    (coco.root / "pics/000.png").write_bytes(with_bomb_in_a_text_chunk())
    assert "Decompressed data too large" in inspect(str(coco.root / "pics/000.png")).problem
    assert "Found: 20 pictures" in propose_config(coco.root)


def test_a_picture_that_claims_to_be_huge_is_not_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert "exceeds limit" in inspect(str(tmp_path / "a.png")).problem


def test_large_pictures_are_decoded_one_at_a_time():
    decoding, inside, most = _Decoding(), [0], [0]

    def work():
        with decoding.of(13_300**2):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.slow
def test_a_regular_expression_without_end_is_refused():
    begun = time.perf_counter()
    assert image_groups.groups(["a" * 60 + "!"], r"^(a+)+$") == [
        "a" * 60 + "!"
    ]  # a guard of `regex` ends this one
    with pytest.raises(ValueError, match="takes too long"):
        image_groups.groups(["a" * 60 + "!"], r"^(a|a)*$")
    assert time.perf_counter() - begun < 30


@pytest.mark.slow
def test_a_deeply_nested_config(tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text("[" * 1500)
    with pytest.raises(ConfigError, match=r"nested too deeply|is not valid YAML"):
        read_config(path)
    with pytest.raises(ConfigError, match=r"nested too deeply|is not valid YAML"):
        read_config(None, overrides=["data.split=" + "[" * 1500])


def test_messages_have_an_end():
    for value in ("x" * 100_000, ["y" * 1000] * 1000, {n: n for n in range(100_000)}):
        assert len(str(DataError("is wrong", value=value))) < 10_000
