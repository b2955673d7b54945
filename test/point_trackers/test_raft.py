"""RAFT: the flow is torchvision's own, and points and masks move by it in pixels of the image."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import moving_texture, texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.point_trackers import RaftConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers import build_point_tracker

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

from sampt_ros.point_trackers.raft import Raft  # noqa: E402


class Shift(torch.nn.Module):
    """Called as RAFT is: from the brighter image to the other everything went by `step` (x, y), else back by it."""

    def __init__(self, step: tuple[float, float]) -> None:
        super().__init__()
        self.step = torch.tensor(step)[None, :, None, None]
        self.seen: list[tuple[int, ...]] = []

    def forward(self, image1, image2, num_flow_updates):
        self.seen.append(tuple(image1.shape))
        sign = 1 if image1.mean() > image2.mean() else -1
        return [torch.zeros(1), sign * self.step.expand(1, 2, *image1.shape[2:])]


def darkening(height: int, width: int) -> tuple[Frame, Frame]:
    """Two frames, of which Shift knows which one came first."""
    return tuple(Frame(index, np.full((height, width, 3), 120 - index, np.uint8)) for index in range(2))


@pytest.fixture(scope="module", params=["small", "large"])
def published(request):
    """torchvision's network with weights made from names, and its name."""
    pytest.importorskip("torchvision", reason="torchvision is missing", exc_type=ImportError)
    from named_weights import raft

    return raft(request.param), request.param


def test_the_flow_is_that_of_torchvisions_network_and_transforms(published):
    from torchvision.transforms._presets import OpticalFlow

    network, _ = published
    start, end = texture(136, 160), texture(136, 160, seed=1)
    images = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (start, end)]
    with torch.inference_mode():
        expected = network(*OpticalFlow()(*images), num_flow_updates=3)[-1][0].permute(1, 2, 0)
    found = Raft(network, RaftConfig(iterations=3), "cpu").flow(start, end)
    assert (found.shape, found.dtype) == ((136, 160, 2), np.float32)
    assert expected.abs().max() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_checkpoint_brings_its_weights(published, tmp_path):
    network, model = published
    torch.save({name: tensor / 2 for name, tensor in network.state_dict().items()}, tmp_path / "raft.pth")
    config = RaftConfig(model, str(tmp_path / "raft.pth"), iterations=1)
    loaded = build_point_tracker(SamPtConfig(point_tracker="raft", raft=config, device="cpu"))
    name = "update_block.flow_head.conv2.weight"
    torch.testing.assert_close(loaded._network.state_dict()[name], network.state_dict()[name] / 2)


def test_weights_of_the_other_network_are_refused(published, tmp_path):
    network, model = published
    torch.save(network.state_dict(), tmp_path / "raft.pth")
    other = {"small": "large", "large": "small"}[model]
    with pytest.raises(CheckpointError, match=f"does not hold raft_{other}: .* tensors missing"):
        Raft.from_checkpoint(RaftConfig(other, str(tmp_path / "raft.pth")), "cpu")


def test_no_checkpoint_given(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMPT_CACHE", str(tmp_path))  # where nothing was fetched
    pytest.importorskip("torchvision", reason="torchvision is missing", exc_type=ImportError)
    with pytest.raises(CheckpointError, match=r"raft\.checkpoint: expected the path of a raft_small checkpoint"):
        Raft.from_checkpoint(RaftConfig(), "cpu")


@pytest.mark.parametrize(
    ("height", "width", "size", "network_size", "step"),
    [
        (128, 160, 512, (128, 160), (3, -2)),  # as it is
        (130, 161, 512, (136, 168), (3, -2)),  # made a multiple of 8
        (40, 60, 512, (128, 128), (3, -2)),  # smaller than RAFT takes
        (240, 320, 160, (128, 160), (6, -4)),  # half the size: two pixels of the image in one of the flow
    ],
)
def test_points_move_by_the_flow_in_pixels_of_the_image(height, width, size, network_size, step):
    network = Shift((3, -2))
    tracker = Raft(network, RaftConfig(size=size), "cpu")
    xy = np.array([(10, 12), (width - 9.5, height / 2)], np.float32)
    moved, visible, confidence = tracker.move(xy, *darkening(height, width))
    np.testing.assert_allclose(moved - xy, np.tile(step, (2, 1)), atol=1e-4)
    assert visible.all()
    np.testing.assert_allclose(confidence, 1, atol=1e-3)
    assert network.seen == [(1, 3, *network_size)] * 2


def test_a_point_that_leaves_or_does_not_come_back_is_not_visible():
    frames = darkening(128, 160)
    xy = np.array([(155, 60), (60, 60)], np.float32)
    _, visible, confidence = Raft(Shift((8, 0)), None, "cpu").move(xy, *frames)
    assert visible.tolist() == [False, True]
    assert (confidence > 0).tolist() == [False, True]
    # between the same frame twice Shift says the same way twice, so nothing comes back
    _, visible, _ = Raft(Shift((8, 0)), None, "cpu").move(xy, frames[0], frames[0])
    assert not visible.any()


def test_a_carried_mask_moves_by_the_flow():
    mask = np.zeros((128, 160), np.float32)
    mask[40:80, 50:100] = 1
    carried = Raft(Shift((4, -3)), None, "cpu").propagate_mask(LocalMask.of(mask), *darkening(128, 160))
    np.testing.assert_allclose(carried.whole() > 0.5, np.roll(mask, (-3, 4), (0, 1)) > 0.5)


def test_a_carried_mask_is_trusted_less_where_the_flow_does_not_explain_the_image():
    mask = np.zeros((120, 160), np.float32)
    mask[40:80, 50:100] = 1
    previous, current = moving_texture(2, (25, 0))  # far from what Shift says
    carried = Raft(Shift((0, 0)), None, "cpu").propagate_mask(LocalMask.of(mask), previous, current)
    assert np.abs(carried.whole()[45:75, 55:95] - 0.5).mean() < 0.4


@pytest.mark.filterwarnings("error")
def test_an_image_may_be_a_view(raft_network):
    tracker, image = Raft(raft_network, RaftConfig(iterations=1), "cpu"), texture(128, 128)
    view = image[..., ::-1].copy()[..., ::-1]
    view.flags.writeable = False
    xy = np.array([(40, 50)], np.float32)
    expected = tracker.move(xy, Frame(0, image), Frame(1, image))
    for found, wanted in zip(tracker.move(xy, Frame(0, view), Frame(1, view)), expected):
        np.testing.assert_array_equal(found, wanted)


def test_the_flow_for_one_of_many_masks_is_computed_in_smaller_surroundings():
    mask = LocalMask.of(np.pad(np.ones((40, 40), bool), ((190, 250), (250, 350))))
    sizes = []
    for among in (1, 3, 4):
        network = Shift((0, 0))
        Raft(network, RaftConfig(carry_size=200), "cpu").propagate_mask(mask, *darkening(480, 640), among)
        sizes.append(network.seen[0][2:])
    # Around 40 pixels lie 40 + 16 on each side, or 28 + 16; a multiple of 8 is computed.
    assert sizes == [(152, 152), (152, 152), (128, 128)]
