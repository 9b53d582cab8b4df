"""`weights: backbone`: a ResNet trained on ImageNet under a new transformer, from every kind of file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.adapters.detr.family import FAMILY
from bench.adapters.detr.options import resnet
from bench.detector import Detector, Plan
from bench.errors import WeightsError
from bench.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.slow

CLASSES = ("cat", "dog", "bird")
SMALL: dict[str, Any] = {
    "width": 32,
    "heads": 4,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "feedforward": 48,
    "queries": 9,
}


def _detector(*, seed: int = 0, **options: Any) -> Any:
    recipe = Recipe(epochs=1, image_size=64)
    plan = FAMILY.plan(variant="tiny", weights="backbone", options={**SMALL, **options}, recipe=recipe)
    return FAMILY.build(plan, classes=CLASSES, seed=seed, device="cpu")


def _network(detector: Detector) -> Any:
    return detector.trainable  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 as torchvision publishes them, with statistics as if it had been trained."""
    import torch
    import torchvision

    torch.manual_seed(3)
    network = torchvision.models.resnet18(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.8, 1.2)
    path = tmp_path_factory.mktemp("imagenet") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return path


RESNET_18 = resnet(18).model_dump()


def _features(network: Any, pixels: "Tensor") -> "Tensor":
    import torch

    with torch.no_grad():
        found: Tensor = network.eval().detr.model.backbone(pixels, torch.ones(1, 64, 64))[-1][0]
    return found


def test_a_backbone_of_torchvision_sees_the_same_under_a_new_transformer(imagenet: Path) -> None:
    import torch
    import torchvision

    options = {"backbone": RESNET_18, "backbone_weights": str(imagenet)}
    detector = _detector(**options)
    network = _network(detector)
    reference = torchvision.models.resnet18(weights=None).eval()
    reference.load_state_dict(torch.load(imagenet, weights_only=True))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = torch.nn.Sequential(*list(reference.children())[:-2])(pixels)
    torch.testing.assert_close(_features(network, pixels), expected, rtol=1e-3, atol=1e-3)
    description = detector.describe()
    assert description.pretrained_on == "unknown (the local file resnet18.pth) (backbone only)"
    assert "frozen" in description.normalisation
    assert description.weights == str(imagenet)
    assert description.weights_sha256
    still = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert still
    assert all(".embedder." in name or ".stages.0." in name for name in still)
    other = _network(_detector(seed=1, **options)).state_dict()
    same = {name for name, tensor in network.state_dict().items() if torch.equal(tensor, other[name])}
    assert {name for name in other if name.startswith("model.backbone.")} <= same
    assert "model.query_position_embeddings.weight" not in same


def test_backbones_come_in_many_kinds_of_files(imagenet: Path, tmp_path: Path) -> None:
    """torchvision's as safetensors, transformers' folder, and a DETR of ours: all see the same."""
    import safetensors.torch
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    from bench.adapters.query.quiet import silenced

    state = torch.load(imagenet, weights_only=True)
    safetensors.torch.save_file(state, tmp_path / "resnet.safetensors")
    options = {"backbone": RESNET_18}
    first = _detector(**options, backbone_weights=str(imagenet))
    first.save(tmp_path / "detr")
    settings: dict[str, Any] = {
        "hidden_sizes": [64, 128, 256, 512],
        "depths": [2, 2, 2, 2],
        "layer_type": "basic",
    }
    with silenced():
        theirs = ResNetForImageClassification(ResNetConfig(**settings))
    body = {
        name.removeprefix("model.backbone.model."): tensor
        for name, tensor in _network(first).state_dict().items()
        if name.startswith("model.backbone.model.")
    }
    assert not theirs.resnet.load_state_dict(body, strict=False).unexpected_keys
    theirs.save_pretrained(tmp_path / "transformers")
    pixels = torch.randn(1, 3, 64, 64)
    expected = _features(_network(first), pixels)
    for name in ("resnet.safetensors", "detr", "transformers"):
        again = _detector(**options, backbone_weights=str(tmp_path / name))
        torch.testing.assert_close(_features(_network(again), pixels), expected)
    config = tmp_path / "transformers" / "config.json"
    config.write_text(
        config.read_text().replace('"downsample_in_bottleneck": false', '"downsample_in_bottleneck": true')
    )
    with pytest.raises(WeightsError, match="downsample_in_bottleneck"):
        _detector(**options, backbone_weights=str(tmp_path / "transformers"))


def test_a_backbone_that_does_not_fit_is_named_while_planning(imagenet: Path, tmp_path: Path) -> None:
    import torch

    def plan(file: Path, depth: int = 18) -> Plan:
        options = {"backbone": resnet(depth).model_dump(), "backbone_weights": str(file)}
        return FAMILY.plan(variant="tiny", weights="backbone", options=options, recipe=Recipe(epochs=1))

    assert plan(imagenet).weights == str(imagenet)
    with pytest.raises(WeightsError, match=r"stages\.0\.layers\.2\.layer\.0\.convolution\.weight is missing"):
        plan(imagenet, 34)
    state = torch.load(imagenet, weights_only=True)
    torch.save({**state, "layer1.0.conv1.weight": torch.zeros(1)}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"stages\.0\.layers\.0.*has shape \(1,\), not \(64, 64, 3, 3\)"):
        plan(tmp_path / "odd.pth")
    torch.save({f"layer5.{name}": tensor for name, tensor in state.items()} | state, tmp_path / "more.pth")
    with pytest.raises(WeightsError, match="is unexpected"):
        plan(tmp_path / "more.pth")
    with pytest.raises(WeightsError, match="no such file"):
        plan(tmp_path / "nothing.pth")


def test_a_detector_on_a_backbone_is_read_back(imagenet: Path, tmp_path: Path) -> None:
    import torch

    detector = _detector(backbone=RESNET_18, backbone_weights=str(imagenet))
    detector.save(tmp_path / "saved")
    again = FAMILY.load(tmp_path / "saved", device="cpu")
    state = _network(again).state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in _network(detector).state_dict().items())
    assert again.describe() == detector.describe()
