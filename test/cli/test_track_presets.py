"""`sampt track --random-weights`, and all that can be done to an object, with every preset in small."""

from __future__ import annotations

import csv
from contextlib import suppress

import numpy as np
import pytest
from small_networks import CHANGES, require, shrink_networks
from synthetic import texture, two_disks

from sampt_ros.cli import main as cli
from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.data_types import ObjectState
from sampt_ros.errors import QueryError
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import read_labels, write_labels
from sampt_ros.tracking.sam_pt import SamPt

UNRELATED = texture(96, 128, seed=5)  # An image after a cut.


@pytest.fixture(params=preset_names())
def preset(request, monkeypatch) -> str:
    shrink_networks(monkeypatch)
    require(request.param)
    return request.param


def test_a_video_is_tracked_to_its_end_whatever_happens_in_it(preset, tmp_path, capsys):
    for index in range(5):
        write_image(tmp_path / f"frames/{index:05d}.png", UNRELATED if index == 3 else two_disks(index)[0])
    for name, mask in (("red", two_disks(0)[1]), ("blue", 2 * two_disks(1)[2])):
        write_labels(tmp_path / f"{name}.png", mask.astype(np.uint8))
    settings = {name: value for name, value in CHANGES.items() if name != "random_weights"}
    prompts = [
        *("--mask", tmp_path / "red.png", "--point", "44,48", "--point", "90,48,0"),
        *("--start", 1, "--mask", tmp_path / "blue.png"),
        *("--start", 2, "--point", "84,48,1,3"),  # Left out if networks of random weights see nothing there.
    ]
    arguments = ["track", tmp_path / "frames", "--preset", preset, "--random-weights", *prompts, "--out", tmp_path]
    status = cli.main([*map(str, arguments), *(f"--set={name}={value}" for name, value in settings.items())])

    said = capsys.readouterr()
    assert status == 0, said.err
    assert "of 5 frames, " in said.out
    with (tmp_path / "objects.csv").open() as file:
        states = {(int(row["frame"]), int(row["object"])): row["state"] for row in csv.DictReader(file)}
    # A frame that failed would have no objects.
    assert states.keys() >= {(0, 1), *((frame, name) for frame in range(1, 5) for name in (1, 2))}
    assert states[0, 1] == states[1, 2] == "TRACKING"
    np.testing.assert_array_equal(read_labels(tmp_path / "labels/00001.png") == 2, two_disks(1)[2])


def test_objects_are_added_corrected_lost_and_removed_and_reset_makes_it_as_new(preset):
    sam_pt = SamPt(load_preset(preset, CHANGES))
    frames = [two_disks(index) for index in range(5)]

    def run() -> list[tuple[int, str, int]]:
        seen = []
        for index, (image, red, blue) in enumerate(frames):
            result = sam_pt.step(UNRELATED if index == 4 else image)
            seen += [(item.id, item.state.name, item.area) for item in result.objects]
            assert all(item.mask.any() == item.state.has_mask for item in result.objects)
            if index == 0:
                assert sam_pt.add_object(mask=red).state == ObjectState.TRACKING
                assert sam_pt.add_object(mask=blue, object_id=7).state == ObjectState.TRACKING
            elif index == 1:
                sam_pt.add_points(1, [(44, 48), (110, 20)], [1, 0])
                with suppress(QueryError):  # Networks of random weights may see nothing there.
                    sam_pt.add_object(points=[(20, 20)], object_id=8)
            elif index == 2:
                sam_pt.remove_object(7)
                sam_pt.add_object(mask=frames[1][2], object_id=9, past=[frames[1][0]])
                assert {1, 9} <= set(sam_pt.object_ids) <= {1, 8, 9}
            elif index == 3:
                known = sam_pt.object_ids
                forgotten = sam_pt.look_again()
                assert sam_pt.object_ids == [name for name in known if name not in forgotten]
                assert all(item.state == ObjectState.LOST for item in sam_pt.newest_result.objects)
        return seen

    first = run()
    sam_pt.reset()
    assert sam_pt.object_ids == []
    assert run() == first
