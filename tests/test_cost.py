"""Parameters and multiply-adds, against counts by hand and against what the papers' notes say."""

import pytest
import torch
from torch import nn

from mer_utils import systems
from mer_utils.errors import StudyError
from mer_utils.systems import cost

NETWORKS = [name for name, module in systems.SYSTEMS.items() if systems.neural(module)]


class Attention(nn.Module):
    def forward(self, x):
        return (x @ x.transpose(-1, -2)).softmax(-1) @ x


LSTM = {"batch_first": True, "bidirectional": True}


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Linear(7, 5), (4, 7), 4 * 7 * 5),
        (nn.Conv2d(6, 4, 3, padding=1), (6, 5, 5), 25 * 9 * 6 * 4),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 5, 5), 25 * 9 * 6),
        (nn.Conv3d(2, 3, 3), (2, 4, 5, 5), 2 * 3 * 3 * 27 * 2 * 3),
        (nn.GRU(7, 5, batch_first=True), (4, 7), 4 * 3 * (5 * 7 + 5 * 5)),
        (nn.LSTM(7, 5, **LSTM), (4, 7), 2 * 4 * 4 * (5 * 7 + 5 * 5)),
        (nn.LSTM(7, 5, 2, **LSTM), (4, 7), 2 * 4 * 4 * (5 * 7 + 5 * 5 + 5 * 10 + 5 * 5)),
        (Attention(), (2, 4, 8), 2 * 2 * 4 * 4 * 8),
        (nn.MultiheadAttention(8, 2, batch_first=True), (4, 8), 4 * 4 * 8 * 8 + 2 * 4 * 4 * 8),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_layers_are_counted_as_by_hand(layer, shape, expected):
    x = torch.empty(1, *shape, device="meta")
    inputs = (x, x, x) if isinstance(layer, nn.MultiheadAttention) else (x,)
    assert cost.multiply_adds(layer.to("meta").eval(), *inputs) == expected


def test_ststnet_by_hand():
    """16 maps of 3x3 cells of three channels, 30x30 with the rim; three classes from 16x5x5."""
    assert cost.cost("ststnet") == cost.Cost(1683, 30 * 30 * 9 * 3 * 16 + 400 * 3)


@pytest.mark.parametrize(
    ("name", "parameters", "billions"),
    [
        ("am_gcn/as_coded", 9_974_531, 5.90),
        ("htnet/as_coded", 139_582_982, 0.214),
        ("hyperhtnet/as_coded", 139_716_486, 0.214),
        ("dual_branch_3dcnn/as_coded", 2_836_759, 2.81),
    ],
)
def test_published_sizes(name, parameters, billions):
    found = cost.cost(name)
    assert found.parameters == parameters
    assert found.multiply_adds / 1e9 == pytest.approx(billions, abs=0.006)


def test_every_network_has_its_costs_and_no_classifier_has_any():
    needs = cost.needs("made", ["flow", "landmarks"]).set_index("system")
    assert list(needs.index) == list(systems.SYSTEMS)
    for name, row in needs.iterrows():
        for what in ("parameters", "multiply-adds, millions"):
            if name not in NETWORKS:
                assert row[what] == "–"
                continue
            costs = [float(part.replace(",", "")) for part in row[what].split(" | ")]
            assert 0 < costs[0] <= costs[1]
            assert len(costs) == 2 + ("as_coded" in systems.ablations(name))
    why = needs["cannot run because"]
    assert why["lbp_top"] == "made has no video" and why["htnet"] == ""
    assert why["am_gcn"] == "made has no frames"


def test_who_is_no_network_costs_nothing_known():
    assert cost.cost("majority") is None
    with pytest.raises(StudyError, match="'htnett' is not known, the nearest is 'htnet'"):
        cost.cost("htnett")


def test_counting_leaves_torch_as_it_was():
    before = nn.Module.register_parameter
    cost.cost("ststnet", "small")
    assert nn.Module.register_parameter is before
    assert nn.Linear(2, 2).weight.device.type == "cpu"
