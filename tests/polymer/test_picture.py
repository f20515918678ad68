"""The picture of a network: what is drawn, and that no line leads across the whole box."""

from __future__ import annotations

import json

import numpy as np

from mdstudy.base.drawing import to_svg
from mdstudy.polymer.network import Network
from mdstudy.polymer.picture import KINDS, picture, sketch
from mdstudy.polymer.units import Edges, Units

BOX = np.diag([2.0, 2.0, 2.0])


def around_with_a_tail() -> Network:
    """Four units around the box along x, a crosslink to a dangling fifth, a free monomer; in scattered images."""
    places = np.array([[0.25, 1, 1], [0.75, 1, 1], [1.25, 1, 1], [1.75, 1, 1], [0.75, 1.4, 1], [1.5, 0.3, 0.2]])
    images = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [2, 0, 1], [0, 0, 0], [0, 0, 3]])
    steps = [(0, 1, [0, 0, 0]), (1, 2, [0, 0, 0]), (2, 3, [0, 0, 0]), (3, 0, [1, 0, 0])]
    chain = Edges.of([(i, j, np.array(s) + images[i] - images[j]) for i, j, s in steps])
    crosslinks = Edges.of([(1, 4, images[1] - images[4])])
    reacted = np.array([True] * 5 + [False])
    spans = np.array([[True, False, False], [False] * 3])
    molecule = np.array([0] * 5 + [1])
    xyz = places + images @ BOX
    return Network.of(Units(reacted, molecule, np.array([500.0, 100.0]), spans, chain, crosslinks, xyz, BOX))


def test_a_sketch_has_units_in_the_box_and_edges_of_their_length_and_kind() -> None:
    made = sketch(around_with_a_tail())
    np.testing.assert_allclose(made["units"][3], [1.75, 1, 1])
    kinds = [KINDS[row[5]][0] for row in made["edges"]]
    assert kinds == ["stretched chain"] * 4 + ["crosslinker"]
    np.testing.assert_allclose([np.linalg.norm(row[2:5]) for row in made["edges"]], [0.5, 0.5, 0.5, 0.5, 0.4])
    assert made["edges"][3][2:5] == [0.5, 0, 0]
    assert made["unreacted"] == [5]


def test_a_sketch_is_plain_data() -> None:
    made = sketch(around_with_a_tail())
    assert json.loads(json.dumps(made)) == made


def test_an_edge_across_a_wall_is_drawn_from_both_ends_and_never_across_the_box() -> None:
    figure = picture({"gel": sketch(around_with_a_tail())})
    line = next(line for line in figure.axes[0].lines if line.get_label() == "stretched chain")
    x = np.asarray(line.get_xdata(), dtype=float).reshape(-1, 3)[:, :2]
    np.testing.assert_allclose(x[:, 1] - x[:, 0], 0.5)
    assert [1.75, 2.25] in x.tolist()
    assert [-0.25, 0.25] in x.tolist()
    assert figure.axes[0].get_xlim() == (0.0, 2.0)


def test_pictures_of_two_networks_stand_beside_each_other_and_are_the_same_each_time() -> None:
    made = sketch(around_with_a_tail())
    one, two = (to_svg(picture({"LHCI gel": made, "DLHCI gel": made})) for _ in range(2))
    assert one == two
    assert "DLHCI gel" in one
    assert "crosslinker" in one
