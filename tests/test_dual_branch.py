"""Dual-branch 3D-CNN: sizes of both forms, what sees what, and where its GRU is needed."""

import torch

from mer_utils.systems import dual_branch_3dcnn as dual

torch.set_num_threads(1)


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def variant(name, **changes):
    base = dual.VARIANTS[name][1] if name else {}
    return dual.Config(**{**base, **changes})


def test_parameter_counts():
    """The script's network, layer by layer, and the one described."""
    coded = dual.network(variant("as_coded"), 3, {})
    assert {name: parameters(part) for name, part in coded.named_children()} == {
        "branches": 12_032 + 2_624,
        "both": 55_328,
        "channel_attention": 584,
        "spatial_attention": 1_760,
        "dense": 921_728 + 8_256,
        "gru": 887_808,
        "attention": 872_780,
        "head": 65_408 + 8_256 + 195,
    }
    assert parameters(coded) == 2_836_759
    described = dual.network(dual.Config(), 3, {})
    # one grey channel instead of three, one spatial map instead of 32; more steps cost nothing
    spared = 32 * 2 * (5**3 + 3**3) + 31 * (2 * 27 + 1)
    assert parameters(described) == 2_836_759 - spared
