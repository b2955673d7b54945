"""`sampt bag`."""

from __future__ import annotations

import json
import signal
import sys

import bags
import numpy as np
import pytest
from bags import DELAY, PERIOD, START, STORAGES
from command_line import run, then_interrupt
from fakes import DriftingTracker, SquareSegmenter, blank
from mcap.reader import make_reader
from rosbags.rosbag2 import Writer

from sampt_ros.cli import bag as command
from sampt_ros.io.export import coco
from sampt_ros.io.label_images import read_labels, write_labels
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def source(tmp_path):
    return bags.write(tmp_path / "in", [bags.image(index, blank()) for index in range(5)])


def test_bag_writes_a_bag_and_says_what_is_in_it(fakes, source, tmp_path, capsys):
    assert run("bag", source, tmp_path / "out", "--point", "20,20", "--box", "30,20,50,40,2") == 0
    written = bags.read(tmp_path / "out")
    assert {name: len(messages) for name, messages in written.items()} == {
        "/sampt/mask": 5,
        "/sampt/labels": 5,
        "/sampt/points": 5,
    }
    assert set(np.unique(bags.pixels(written["/sampt/labels"][-1][1]))) == {0, 1, 2}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'out'}: masks, labels and points of 5 images; ")
    assert line.endswith("object 1 has a mask in 5, object 2 has a mask in 5")


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("option", [True, False])
def test_the_storage_is_that_of_the_input_or_the_one_asked_for(fakes, tmp_path, storage, option):
    other = STORAGES[1 - STORAGES.index(storage)]
    bags.write(tmp_path / "in", [bags.image(0, blank())], other if option else storage)
    asked = ["--storage", storage] if option else []
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", "20,20", "--overlay", *asked) == 0
    assert bags.storage_file(tmp_path / "out").suffix == {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
    assert "/sampt/overlay" in bags.read(tmp_path / "out")


def test_what_to_track_may_come_from_the_bag(fakes, tmp_path, capsys):
    asked = [bags.image(0, blank()), bags.query(0, [(20, 20)]), bags.query(0, [(99, 9)]), bags.image(1, blank())]
    assert run("bag", bags.write(tmp_path / "in", asked), tmp_path / "out") == 0
    masks = [bags.pixels(message).any() for _, message in bags.read(tmp_path / "out")["/sampt/mask"]]
    assert masks == [False, True]
    assert "of 2 images, 1 messages refused; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "OUT", "--point", "9,9"], "expected a ROS 2 bag, a folder with .mcap or .db3 files"),
        (["IN", "OUT"], "expected what to track: --point, --box, --mask, --reference, or sampt_ros/QueryPoints in"),
        (["IN", "OUT", "--point", "900,9"], "inside the 64x48 image"),
        (["IN", "IN", "--point", "9,9"], "expected a bag that is not there yet"),
        (
            ["IN", "OUT", "--point", "9,9", "--image", "/rgb"],
            "got no /rgb; the bag has /camera/image_raw (sensor_msgs/",
        ),
        (["IN", "OUT", "--point", "9,9", "--set", "seed=soon"], "seed: expected int"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line_and_leaves_no_bag(fakes, source, tmp_path, capsys, arguments, complaint):
    places = {"IN": source, "OUT": tmp_path / "out"}
    assert run("bag", *(places.get(argument, argument) for argument in arguments)) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("sampt: error: ")
    assert complaint in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["in", "in/metadata.yaml", "in/FILE", "link"])
@pytest.mark.parametrize("out", ["in/out", "in/deep/out", "elsewhere/../in/out", "link/out"])
def test_nothing_is_written_into_the_bag_that_is_read(fakes, source, tmp_path, capsys, given, out):
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "elsewhere").mkdir()
    before = sorted(source.rglob("*"))
    path = tmp_path / given.replace("FILE", bags.storage_file(source).name)
    assert run("bag", path, tmp_path / out, "--point", "20,20", "--export", "coco") == 2
    assert "expected OUT outside of the bag" in capsys.readouterr().err
    assert sorted(source.rglob("*")) == before


def test_out_may_be_beside_a_file_that_is_no_part_of_a_bags_folder(fakes, source, tmp_path):
    (source / "metadata.yaml").unlink()
    assert run("bag", bags.storage_file(source), source / "out", "--point", "20,20") == 0


def test_a_bag_without_a_usable_image_is_an_error(fakes, tmp_path, capsys):
    sent = bags.image(0, blank())
    sent[1].encoding = "magic"
    assert run("bag", bags.write(tmp_path / "in", [sent]), tmp_path / "out", "--point", "9,9") == 2
    assert (
        "expected at least one image on /camera/image_raw; got 1 that cannot be used: expected an image enc"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_without_rosbags_it_says_what_to_install(source, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("sampt_ros.bags.", "rosbags.rosbag2"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rosbags.rosbag2", None)
    assert run("bag", source, tmp_path / "out", "--point", "9,9") == 2
    assert "pip install rosbags mcap" in capsys.readouterr().err


def interrupt_after(monkeypatch, index):
    """Ctrl-C in the step after frame `index`."""
    step = SamPt.step

    def interrupted(self, image):
        if self._frames and self._frames.newest.index == index:
            raise KeyboardInterrupt
        return step(self, image)

    monkeypatch.setattr(SamPt, "step", interrupted)


@pytest.mark.parametrize("storage", STORAGES)
def test_an_interrupted_run_leaves_a_whole_bag(fakes, source, tmp_path, capsys, monkeypatch, storage):
    interrupt_after(monkeypatch, 2)
    assert run("bag", source, tmp_path / "out", "--point", "20,20", "--storage", storage) == 130
    assert "points of 3 images" in capsys.readouterr().out
    assert {len(messages) for messages in bags.read(tmp_path / "out").values()} == {3}


def test_what_waits_for_its_depth_when_a_run_is_interrupted_is_written(fakes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 5)
    late = [bags.depth(index, np.full((48, 64), 2, np.float32)) for index in range(8)]
    sent = [bags.camera_info(0, 50, 48, 64), *(bags.image(index, blank()) for index in range(8)), *late]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 130
    assert len(bags.read(tmp_path / "out")["/sampt/mask"]) == 6


def test_that_nothing_was_tracked_is_said(fakes, tmp_path, capsys):
    sent = [*(bags.image(index, blank()) for index in range(2)), bags.query(0, [(99, 9)])]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out") == 0
    assert "no image has an object: all masks are empty" in capsys.readouterr().out


def test_queries_after_the_last_image_are_in_the_summary(fakes, tmp_path, capsys, caplog):
    sent = [*(bags.image(index, blank()) for index in range(2)), bags.query(1, [(20, 20)])]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out") == 0
    told = capsys.readouterr()
    assert "of 2 images, 1 queries, clicks or references after the last image; " in told.out
    assert "no image has an object: all masks are empty" in told.out
    assert (
        "1 queries, clicks or references come after the last image that can be used: they change no output"
        in caplog.text
    )


def test_prompts_that_start_nothing_are_an_error(fakes, source, tmp_path, capsys):
    assert run("bag", source, tmp_path / "out", "--start", "9", "--point", "20,20") == 2
    told = capsys.readouterr()
    assert "expected at least one object that can be started" in told.err.splitlines()[-1]
    assert "points of 5 images" in told.out


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("ending, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_until_an_image_is_written(fakes, source, heard, tmp_path, monkeypatch, storage, ending, status):
    write, written = Writer.write, []

    def interrupted(self, connection, timestamp, data):
        written.append(connection.topic)
        if len(written) in (4, 5):
            signal.raise_signal(ending)
        write(self, connection, timestamp, data)

    monkeypatch.setattr(Writer, "write", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert run("bag", source, tmp_path / "out", "--point", "20,20", "--storage", storage) == status
    assert signal.getsignal(signal.SIGTERM) == before
    assert {len(messages) for messages in bags.read(tmp_path / "out").values()} == {2}


def test_a_signal_waits_until_an_image_is_in_the_dataset_too(fakes, source, heard, tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "write_image", then_interrupt(coco.write_image, signal.SIGINT))
    assert run("bag", source, tmp_path / "out", "--point", "20,20", "--export", "coco") == 130
    content = json.loads((tmp_path / "out/coco/annotations.json").read_text())
    assert [each["id"] for each in content["images"]] == [0]
    assert {len(messages) for messages in bags.read(tmp_path / "out").values()} == {1}


def test_a_run_that_was_killed_leaves_what_can_be_read(fakes, source, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("sampt_ros.bags.writer.BagWriter.close", lambda self: self._writer.storage.bio.close())
    monkeypatch.setattr("rosbags.rosbag2.storage_mcap.McapWriter.write", chunk_by_chunk())
    assert run("bag", source, tmp_path / "killed", "--point", "20,20") == 0
    monkeypatch.undo()
    monkeypatch.setattr(command, "SamPt", lambda config: SamPt(config, SquareSegmenter(), DriftingTracker()))
    assert run("bag", tmp_path / "killed", tmp_path / "out", "--image", "/sampt/mask", "--point", "20,20") == 0
    assert len(bags.read(tmp_path / "out")["/sampt/mask"]) == 5


def chunk_by_chunk():
    """McapWriter.write, as if every message filled a chunk."""
    from rosbags.rosbag2.storage_mcap import McapWriter

    write = McapWriter.write

    def written(self, connection, timestamp, data):
        write(self, connection, timestamp, data)
        self.close_chunk()

    return written


def test_mcap_s_own_reader_finds_index_schemas_and_messages(fakes, source, tmp_path):
    assert run("bag", source, tmp_path / "out", "--point", "20,20") == 0
    with bags.storage_file(tmp_path / "out").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        times = [message.log_time for _, _, message in reader.iter_messages(["/sampt/points"])]
    assert summary.statistics.message_count == 15
    schemas = {schema.name: schema.data.decode() for schema in summary.schemas.values()}
    assert set(schemas) == {"sensor_msgs/msg/Image", "sampt_ros/msg/TrackedObjects"}
    assert "MSG: sampt_ros/TrackedPoint" in schemas["sampt_ros/msg/TrackedObjects"]
    assert times == [START + index * PERIOD + DELAY for index in range(5)]


def test_a_real_recording_gets_the_masks_of_sampt_track(shared_folder, tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the default preset")
    files = sorted((shared_folder / "data/rgbd").glob("*.color.jpg"))[:5]
    sent = []
    (tmp_path / "frames").mkdir()
    for index, file in enumerate(files):
        (tmp_path / "frames" / file.name).symlink_to(file)
        topic, message = bags.compressed(index, blank())
        message.data = np.frombuffer(file.read_bytes(), np.uint8)
        sent.append((topic, message))
    prompts = ["--point", "320,240", "--point", "150,300,1,2"]
    assert run("track", tmp_path / "frames", "--out", tmp_path / "track", *prompts) == 0
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", *prompts) == 0
    written = bags.read(tmp_path / "out")
    labels = [read_labels(tmp_path / f"track/labels/{index:05d}.png") for index in range(5)]
    assert all(label.any() for label in labels)
    assert [message.header for _, message in written["/sampt/mask"]] == [message.header for _, message in sent]
    np.testing.assert_array_equal([bags.pixels(message) for _, message in written["/sampt/labels"]], labels)
    masks = [bags.pixels(message) == 255 for _, message in written["/sampt/mask"]]
    np.testing.assert_array_equal(masks, np.array(labels) > 0)


def test_a_dataset_is_exported_and_masks_are_scored_by_the_numbers_of_the_images(fakes, source, tmp_path, capsys):
    truth = np.zeros((48, 64), np.uint8)
    truth[16:25, 18:27] = 1  # the square around 20,20 after two frames
    (tmp_path / "truth").mkdir()
    write_labels(tmp_path / "truth/2.png", truth)
    asked = ("--export", "coco", "--truth", tmp_path / "truth")
    assert run("bag", source, tmp_path / "out", "--point", "20,20", *asked) == 0
    content = json.loads((tmp_path / "out/coco/annotations.json").read_text())
    assert [each["id"] for each in content["images"]] == [0, 1, 2, 3, 4]
    assert [each["bbox"] for each in content["annotations"]][2] == [18, 16, 9, 9]
    assert capsys.readouterr().out.endswith(f"; {tmp_path}/out/coco: 5 images; J 1.000 of object 1\n")
    assert len(bags.read(tmp_path / "out")["/sampt/mask"]) == 5
