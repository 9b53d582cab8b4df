import pytest

from bench.image_groups import groups


def test_groups():
    names = [
        "train/images/arm_JPEG.rf.39ba.jpg",
        "test/images/arm_JPEG.rf.525c.jpg",
        "train/images/leg.jpg",
        "val/images/leg.jpg",
    ]
    assert groups(names, "roboflow") == ["arm_JPEG", "arm_JPEG", names[2], names[3]]
    assert groups(names, "folder") == ["train/images", "test/images", "train/images", "val/images"]
    assert groups(names, r"^([a-z]+)") == ["arm", "arm", "leg", "leg"]
    with pytest.raises(ValueError, match="not a regular expression"):
        groups(names, "(")
    with pytest.raises(ValueError, match="has no group"):
        groups(names, "arm")
