"""What the paper says of DINO's network, held against its own formulas."""

import math

import pytest
import torch

from bench.adapters.dino.criterion import DinoCriterion
from bench.adapters.dino.memory import encode, position_encoding
from bench.adapters.dino.network import anchor_encoding, inverse_sigmoid

pytestmark = pytest.mark.slow


def test_look_forward_twice_lets_the_next_layers_loss_reach_a_refinement(make_network, images) -> None:
    """Section 3.6, figure 6: the box of layer 1 refines that of layer 0 with its gradient; once: without."""
    gradients = {}
    for mode in ("once", "twice"):
        network = make_network(denoising=None, look_forward=mode).eval()
        torch.nn.init.normal_(network.bbox_embed.layers[-1].weight, std=0.1)
        refined: list[torch.Tensor] = []
        hook = network.bbox_embed.register_forward_hook(lambda m, a, out, kept=refined: kept.append(out))
        out = network(*images)
        hook.remove()
        # In each layer the head gives the box that is judged, then the one that the next layer starts from.
        gradients[mode] = torch.autograd.grad(out.boxes[1].sum(), refined[1], allow_unused=True)[0]
    assert gradients["once"] is None
    assert gradients["twice"].abs().sum() > 0


def test_look_forward_changes_gradients_and_no_output(make_network, images) -> None:
    once, twice = (make_network(denoising=None, look_forward=mode).eval() for mode in ("once", "twice"))
    torch.nn.init.normal_(once.bbox_embed.layers[-1].weight, std=0.1)
    twice.load_state_dict(once.state_dict())
    assert torch.equal(once(*images).boxes, twice(*images).boxes)


def test_mixed_selection_takes_boxes_from_the_encoder_and_learns_contents(make_network, images) -> None:
    mixed, pure, static = (
        make_network(denoising=None, query_selection=mode).eval() for mode in ("mixed", "pure", "static")
    )
    assert hasattr(mixed, "tgt_embed") and not hasattr(mixed, "refpoint_embed")
    assert not hasattr(pure, "tgt_embed")
    out = mixed(*images)
    assert out.encoder_boxes is not None and out.encoder_boxes.requires_grad
    assert static(*images).encoder_logits is None
    # The decoder begins with the encoder's boxes, without their gradient.
    out.boxes.sum().backward()
    assert all(parameter.grad is None for parameter in mixed.enc_box.parameters())


def test_proposals_are_shares_of_the_image_without_its_padding(make_network, images) -> None:
    """Only positions inside the image propose: in 96 x 64 at strides of 16 and 32, 24 and 6 of them."""
    memory = encode(make_network(denoising=None).eval().model, *images)
    states, logits = memory.proposals()
    proposing = logits.isfinite().all(-1)
    assert proposing.sum(1).tolist() == [48 + 12, 24 + 6]
    boxes = logits[1, proposing[1]].sigmoid()
    assert sorted({round(x, 4) for x in boxes[:24, 0].tolist()}) == [0.125, 0.375, 0.625, 0.875]
    sides = boxes[:, 2:]
    assert torch.allclose(sides[:24], torch.tensor(0.05)) and torch.allclose(sides[24:], torch.tensor(0.1))
    assert not states[~proposing].any()


def test_denoising_queries_do_not_change_what_the_others_find(make_network, images, labels) -> None:
    """No answer leaks: with and without denoising the matched queries are the same to the last digits."""
    network = make_network().train()
    plain = network(*images)
    noisy = network(*images, labels)
    first = noisy.denoising.count
    assert torch.allclose(plain.logits, noisy.logits[:, :, first:], atol=1e-5)
    assert torch.allclose(plain.boxes, noisy.boxes[:, :, first:], atol=1e-5)


def test_every_parameter_learns(make_network, images, labels) -> None:
    network = make_network().train()
    losses = DinoCriterion()(network(*images, labels), labels)
    assert set(losses) == {
        f"{part}{ending}" for part in ("class", "box", "giou") for ending in ("", "_encoder", "_denoising")
    }
    sum(losses.values()).backward()
    missing = [name for name, one in network.named_parameters() if one.requires_grad and one.grad is None]
    assert missing == []


def test_a_batch_without_objects_trains(make_network, images) -> None:
    network = make_network().train()
    empty = [{"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}] * 2
    losses = DinoCriterion()(network(*images, empty), empty)
    assert losses["box"] == losses["giou"] == 0 and losses["class"] > 0
    sum(losses.values()).backward()
    assert network.label_enc.weight.grad is not None


def test_the_encoding_of_anchors_is_that_of_the_paper() -> None:
    """Liu et al. 2022 (DAB-DETR), equation 5, in DINO's order: y, x, w, h."""
    box = torch.tensor([[[0.2, 0.4, 0.6, 0.8]]])  # cx, cy, w, h
    found = anchor_encoding(box, 4).flatten()
    expected = []
    for value in (0.4, 0.2, 0.6, 0.8):
        for place in (0, 2):
            angle = 2 * math.pi * value / 10000 ** (place / 4)
            expected += [math.sin(angle), math.cos(angle)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_positions_are_shares_of_the_image_without_an_offset() -> None:
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[:, :, :3] = True
    found = position_encoding(mask, 2)[0]  # (4, 4, 6): sine and cosine of y, then of x
    assert found[0, 1, 0].item() == pytest.approx(math.sin(2 * math.pi * 2 / 4), abs=1e-5)
    assert found[2, 0, 1].item() == pytest.approx(math.sin(2 * math.pi * 2 / 3), abs=1e-5)


def test_the_inverse_sigmoid_keeps_dinos_distance() -> None:
    found = inverse_sigmoid(torch.tensor([0.0, 0.5, 1.0]))
    assert found.tolist() == pytest.approx([math.log(1e-3), 0.0, -math.log(1e-3)], abs=1e-4)


def test_losses_are_those_of_deformable_detr_layer_by_layer(make_network, images, labels) -> None:
    """The second computation: transformers' own loss, auxiliary terms included, on the same outputs."""
    from transformers.loss.loss_deformable_detr import DeformableDetrForObjectDetectionLoss

    network = make_network(denoising=None).train()
    out = network(*images)
    found = DinoCriterion()(out, labels)
    config = type(network.model.config)(
        class_cost=2, bbox_cost=5, giou_cost=2, num_labels=5, decoder_layers=3, auxiliary_loss=True
    )
    config.focal_alpha = 0.25
    _, theirs, _ = DeformableDetrForObjectDetectionLoss(
        out.logits[-1], labels, "cpu", out.boxes[-1], config, out.logits, out.boxes
    )
    for their_name, ours in (("loss_ce", "class"), ("loss_bbox", "box"), ("loss_giou", "giou")):
        expected = sum(value.item() for name, value in theirs.items() if name.startswith(their_name))
        assert found[ours].item() == pytest.approx(expected, rel=1e-5)
