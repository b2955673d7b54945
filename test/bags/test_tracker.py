from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bags
import numpy as np
import pytest
from bags import DELAY, FRAME, IMAGES, PERIOD, START, images
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import follow

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader, Topic
from sampt_ros.bags.recorder import BagRecorder
from sampt_ros.bags.topics import TopicInfo, choose_inputs
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import NEGATIVE
from sampt_ros.errors import OutOfMemoryError, QueryError, SourceError
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.tracking.sam_pt import SamPt

STORAGES = ("mcap", "sqlite3")
ONE, TWO = ["20,20"], ["20,20", "40,30,1,2"]


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


def tracked(path, sam_pt, points=(), **names):
    """What the tracker makes of a bag, and the tracker."""
    starts = parse_starts(points, [], []) if points else {}
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, **names), starts)
        return list(tracker.track(bag)), tracker


def recorded(path, out, sam_pt, points=ONE, storage="mcap", overlay=False):
    """The messages of the bag that is written; see bags.read."""
    with BagRecorder(out, storage, overlay) as recorder:
        for result in tracked(path, sam_pt, points)[0]:
            recorder.add(result)
    return bags.read(out)


# --- what is written ---


@pytest.mark.parametrize("kind", [bags.image, bags.compressed])
@pytest.mark.parametrize("storage", STORAGES)
def test_every_image_has_its_messages_with_its_header_and_time(tmp_path, sam_pt, storage, kind):
    source = bags.write(tmp_path / "in", [kind(index, blank()) for index in range(4)], storage)
    written = recorded(source, tmp_path / "out", sam_pt, storage=storage, overlay=True)
    assert set(written) == {"/sampt/mask", "/sampt/labels", "/sampt/points", "/sampt/overlay"}
    for messages in written.values():
        assert [time for time, _ in messages] == [START + index * PERIOD + DELAY for index in range(4)]
        assert [message.header for _, message in messages] == [bags.header(index) for index in range(4)]
    encodings = [written[f"/sampt/{name}"][0][1].encoding for name in ("mask", "labels", "overlay")]
    assert encodings == ["mono8", "mono16", "rgb8"]
    assert bags.storage_file(tmp_path / "out").suffix == {"mcap": ".mcap", "sqlite3": ".db3"}[storage]


def test_objects_start_on_later_images_too(tmp_path, sam_pt, caplog):
    path = bags.write(tmp_path / "in", images(4))
    starts = parse_starts(["20,20"], [], []) | parse_starts(["40,30,1,2"], [], [], frame=2)
    starts |= parse_starts(["40,30,1,3"], [], [], frame=9)
    with BagReader(path) as bag:
        results = list(BagTracker(sam_pt, choose_inputs(bag.topics), starts).track(bag))
    assert [[item.id for item in frame.result.objects] for frame in results] == [[1], [1], [1, 2], [1, 2]]
    assert "object 3 is not started: expected it on image 9" in caplog.text


def test_the_masks_are_those_of_track(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(5))
    written = recorded(source, tmp_path / "out", sam_pt, TWO)
    sam_pt.reset()
    results = [result for _, result in follow(sam_pt, [blank()] * 5, parse_starts(TWO, [], []))]
    for name, arrays in (("mask", [r.mask for r in results]), ("labels", [r.labels for r in results])):
        np.testing.assert_array_equal([bags.pixels(message) for _, message in written[f"/sampt/{name}"]], arrays)
    last = written["/sampt/points"][-1][1].objects
    assert [item.id for item in last] == [1, 2]
    assert [item.area for item in last] == [item.area for item in results[-1].objects]
    assert [point.x for point in last[0].points] == results[-1].objects[0].points.xy[:, 0].tolist()


def test_a_written_bag_says_what_is_in_it(tmp_path, sam_pt):
    recorded(bags.write(tmp_path / "in", images(3)), tmp_path / "out", sam_pt)
    metadata = (tmp_path / "out/metadata.yaml").read_text()
    assert "message_count: 9" in metadata
    assert "reliability: 1" in metadata
    with BagReader(tmp_path / "out") as bag:
        assert [str(topic) for topic in bag.topics.values()] == [
            "/sampt/labels (sensor_msgs/msg/Image, 3 messages)",
            "/sampt/mask (sensor_msgs/msg/Image, 3 messages)",
            "/sampt/points (sampt_ros/msg/TrackedObjects, 3 messages)",
        ]


def test_a_bag_that_is_there_is_not_touched(tmp_path):
    with pytest.raises(SourceError, match="expected a bag that is not there yet"):
        BagRecorder(tmp_path, "mcap")


def test_a_bag_that_cannot_be_written_is_reported(tmp_path, sam_pt):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot write"):
        recorded(bags.write(tmp_path / "in", images(1)), tmp_path / "file/out", sam_pt)


# --- the topics that are read ---

RAW, PACKED, INFO, ASKED = bag_types.IMAGE, bag_types.COMPRESSED_IMAGE, bag_types.CAMERA_INFO, bag_types.QUERY_POINTS


def topics(**types):
    """By name; an underscore is a slash."""
    names = {f"/{name.replace('_', '/')}": kind for name, kind in types.items()}
    return {name: Topic(name, kind, 3) for name, kind in names.items()}


@pytest.mark.parametrize(
    ("there", "names", "chosen"),
    [
        # the only one of its type, raw or compressed
        (topics(a=RAW), {}, ("/a", None, None)),
        (topics(a_compressed=PACKED, q=ASKED, i=INFO), {}, ("/a/compressed", "/q", "/i")),
        # one of several by its name; the CameraInfo beside it
        (topics(a_rgb=RAW, b_rgb=RAW, a_camera=INFO), {"image": "/a/rgb"}, ("/a/rgb", None, "/a/camera")),
        (
            {**topics(b_i=RAW, a_i=INFO), "/b/camera_info": Topic("/b/camera_info", INFO, 3)},
            {"image": "/b/i"},
            ("/b/i", None, "/b/camera_info"),
        ),
        # of several CameraInfos none is beside it
        (topics(a=RAW, b_i=INFO, c_i=INFO), {}, ("/a", None, None)),
        (topics(a=RAW, b_i=INFO, c_i=INFO), {"camera_info": "/c/i"}, ("/a", None, "/c/i")),
        (topics(a=RAW, p=ASKED, q=ASKED), {"queries": "/q"}, ("/a", "/q", None)),
        # what an earlier run of the node published is no camera
        (topics(a=RAW, sampt_mask=RAW, sampt_overlay=RAW), {}, ("/a", None, None)),
    ],
)
def test_topics_are_chosen_by_name_or_type(there, names, chosen):
    inputs = choose_inputs(there, **names)
    assert tuple(topic and topic.name for topic in (inputs.image, inputs.queries, inputs.camera_info)) == chosen
    assert inputs.names == {name for name in chosen if name}


COLOUR, DEPTH = TopicInfo("rgb8", FRAME), TopicInfo("16UC1", FRAME)


@pytest.mark.parametrize(
    ("there", "infos", "names", "chosen"),
    [
        # told apart by what they show
        (topics(a=RAW, d=RAW, i=INFO), {"/a": COLOUR, "/d": DEPTH}, {}, ("/a", "/d")),
        (
            topics(a=PACKED, d=RAW, i=INFO),
            {"/a": TopicInfo("jpeg", FRAME), "/d": TopicInfo("32FC1", FRAME)},
            {},
            ("/a", "/d"),
        ),
        (
            topics(a=PACKED, d=PACKED, i=INFO),
            {"/a": TopicInfo("jpeg", FRAME), "/d": TopicInfo("16UC1; compressedDepth png", FRAME)},
            {},
            ("/a", "/d"),
        ),
        # depth in another frame is not registered to the images, unless it is said to be
        (topics(a=RAW, d=RAW, i=INFO), {"/a": COLOUR, "/d": TopicInfo("16UC1", "depth")}, {}, ("/a", None)),
        (
            topics(a=RAW, d=RAW, i=INFO),
            {"/a": COLOUR, "/d": TopicInfo("16UC1", "depth")},
            {"depth": "/d"},
            ("/a", "/d"),
        ),
        # without their CameraInfo it is of no use
        (topics(a=RAW, d=RAW), {"/a": COLOUR, "/d": DEPTH}, {}, ("/a", None)),
        # where nobody says so, neither
        (topics(a=RAW, d=RAW, i=INFO), {"/a": TopicInfo("rgb8", ""), "/d": TopicInfo("16UC1", "")}, {}, ("/a", None)),
        # one of several by its name, or none
        (topics(a=RAW, d=RAW, e=RAW, i=INFO), {"/a": COLOUR, "/d": DEPTH, "/e": DEPTH}, {"depth": "/e"}, ("/a", "/e")),
        (topics(a=RAW, d=RAW, e=RAW, i=INFO), {"/a": COLOUR, "/d": DEPTH, "/e": DEPTH}, {}, ("/a", None)),
        # the CameraInfo of another frame is another camera's
        (
            topics(a=RAW, d=RAW, i=INFO),
            {"/a": COLOUR, "/d": DEPTH, "/i": TopicInfo("", "other")},
            {},
            ("/a", None),
        ),
    ],
)
def test_depth_is_told_from_colour(there, infos, names, chosen):
    inputs = choose_inputs(there, infos, **names)
    assert tuple(topic and topic.name for topic in (inputs.image, inputs.depth)) == chosen
    assert inputs.names >= {name for name in chosen if name}


@pytest.mark.parametrize(
    ("there", "infos", "names", "complaint"),
    [
        (topics(depth=RAW), {"/depth": DEPTH}, {}, "expected images in colour or grey, .*; the bag has /depth"),
        (
            topics(a=RAW, d=RAW),
            {"/a": COLOUR, "/d": DEPTH},
            {"depth": "/d"},
            "--depth: expected the images' CameraInfo",
        ),
        (
            topics(a=RAW, i=INFO),
            {"/a": COLOUR},
            {"depth": "/a"},
            "--depth: expected another topic than that of the images",
        ),
        (topics(a=RAW, i=INFO), {"/a": COLOUR}, {"depth": "/d"}, "--depth: expected .*; got no /d; the bag has /a"),
    ],
)
def test_depth_that_cannot_be_had_is_refused_with_what_there_is(there, infos, names, complaint):
    with pytest.raises(SourceError, match=complaint):
        choose_inputs(there, infos, **names)


def test_the_only_images_are_taken_for_grey_where_they_are_16uc1_and_not_called_depth(caplog):
    assert choose_inputs(topics(thermal=RAW, i=INFO), {"/thermal": DEPTH}).image.name == "/thermal"
    assert "/thermal is 16UC1 and the only topic of images: it is taken for grey" in caplog.text
    assert choose_inputs(topics(depth=RAW), {"/depth": DEPTH}, image="/depth").image.name == "/depth"


@pytest.mark.parametrize(
    ("there", "names", "complaint"),
    [
        (
            {},
            {},
            "expected images in colour or grey, sensor_msgs/msg/Image or .*; the bag has no topics",
        ),
        (topics(i=INFO), {}, r"the bag has /i \(sensor_msgs/msg/CameraInfo, 3 messages\)"),
        (topics(b=RAW, a=PACKED), {}, r"expected one topic .* or --image TOPIC; the bag has /a \(.*\), /b \("),
        (topics(a=RAW), {"image": "/c"}, "--image: expected a topic of type .*; got no /c; the bag has /a"),
        (topics(a=RAW, i=INFO), {"image": "/i"}, "got /i of type sensor_msgs/msg/CameraInfo; the bag has /a"),
        (topics(a=RAW), {"queries": "/a"}, "--queries: expected a topic of type sampt_ros/msg/QueryPoints; got /a of"),
        (topics(a=RAW, p=ASKED, q=ASKED), {}, "or --queries TOPIC"),
        (topics(a=RAW), {"camera_info": "/b"}, "--camera-info: expected .*; got no /b"),
    ],
)
def test_a_topic_that_is_missing_or_of_another_type_is_refused_with_what_there_is(there, names, complaint):
    with pytest.raises(SourceError, match=complaint):
        choose_inputs(there, **names)


# --- queries in the bag ---


def test_a_query_counts_from_the_image_after_which_it_came(tmp_path, sam_pt):
    asked = [
        *images(3),
        bags.query(2, [(20, 20)]),
        bags.image(3, blank()),
        # about an image that is past; its answer is tracked to here
        bags.query(1, [(40, 30)]),
        bags.image(4, blank()),
        bags.query(4, action=2, object_id=1),
        bags.image(5, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert [[item.id for item in each.result.objects] for each in results] == [[], [], [], [1], [1, 2], [2]]
    drifted = [item.points.xy[0].tolist() for item in results[4].result.objects]
    assert drifted == [[22, 20], [43, 30]]
    assert (tracker.dropped, tracker.refused) == (0, 0)


def test_queries_that_make_no_sense_are_refused_and_counted(tmp_path, sam_pt, caplog):
    asked = [
        bags.query(-1, [(20, 20)]),
        *images(1),
        bags.query(0, [(200, 20)]),
        bags.query(0, [(20, 20)], frame="elsewhere"),
        bags.image(1, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt, ONE)
    assert len(results) == 2
    assert tracker.refused == 3
    for reason in ("expected an image before the first query", "inside the 64x48 image", "got 'elsewhere'"):
        assert reason in caplog.text


@pytest.mark.parametrize("storage", STORAGES)
def test_clicks_in_the_images_frame_count(tmp_path, sam_pt, storage):
    asked = [
        *images(1),
        bags.camera_info(0, 50, 48, 64),
        # 20 pixels left of the middle, then on what is tracked there, off it
        bags.click(0, (-0.8, 0, 2)),
        bags.click(0, (-0.76, 0, 2), topic="/sampt/clicked_background"),
        bags.image(1, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked, storage), sam_pt)
    assert tracker.refused == 0
    (item,) = results[1].result.objects
    positive, negative = item.points.xy[0], item.points.xy[item.points.label == NEGATIVE][0]
    np.testing.assert_allclose([positive, negative], [[13, 24], [14, 24]], atol=0.01)


def test_clicks_that_need_more_than_the_bag_tells_are_refused(tmp_path, sam_pt, caplog):
    asked = [*images(1), bags.click(0, (0, 0, 2)), bags.click(0, (0, 0, 2), "map"), bags.image(1, blank())]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert [len(each.result.objects) for each in results] == [0, 0]
    assert tracker.refused == 2
    assert "expected a CameraInfo of these images (--camera-info TOPIC) before a 3D click" in caplog.text
    assert f"expected a click in the images' frame '{FRAME}', as transforms are not read" in caplog.text


def test_mouse_clicks_and_references_count_too(tmp_path, sam_pt):
    seed = np.zeros((48, 64), np.uint8)
    seed[10:30, 10:30] = 255
    mouse = f"{IMAGES}_mouse_left", bags.make("geometry_msgs/Point", x=64.0, y=20.0, z=0.0)  # one pixel too far
    source = bags.write(tmp_path / "in", [bags.reference(blank(), seed, 7), *images(2), mouse, bags.image(2, blank())])
    results, tracker = tracked(source, sam_pt)
    assert tracker.refused == 0
    items = results[-1].result.objects
    assert [item.id for item in items] == [7, 8]
    assert items[1].mask[20, 63]


@pytest.mark.parametrize("view", [f"{IMAGES}/compressed", "/sampt/overlay", "/sampt/overlay/compressed"])
def test_clicks_in_other_views_of_the_images_count_too(tmp_path, sam_pt, view):
    mouse = f"{view}_mouse_left", bags.make("geometry_msgs/Point", x=20.0, y=20.0, z=0.0)
    results, _ = tracked(bags.write(tmp_path / "in", [*images(1), mouse, bags.image(1, blank())]), sam_pt)
    assert [item.id for item in results[-1].result.objects] == [1]


# --- what goes wrong ---


def test_a_damaged_image_is_dropped_and_counted(tmp_path, sam_pt, caplog):
    sent = images(5)
    sent[1][1].encoding = "magic"
    sent[2][1].data = sent[2][1].data[:100]
    sent[3] = bags.image(3, blank(40, 40))
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt, ONE)
    assert [each is None for each in results] == [False, True, True, True, False]
    assert tracker.dropped == 3
    for reason in ("got 'magic'", "48 rows of 192 bytes", "expected an image of 64x48"):
        assert reason in caplog.text


def test_damaged_bytes_are_no_end(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(40))
    with BagReader(source) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics), parse_starts(ONE, [], []))
        messages = list(bag.messages({IMAGES}))
        random = np.random.default_rng(0)
        for index in range(1, 40):
            topic, time, data = messages[index]
            damaged = bytearray(data[: random.integers(len(data))] if index % 3 == 0 else data)
            for at in random.integers(0, max(1, min(len(damaged), 70)), 4 if len(damaged) else 0):
                damaged[at] = random.integers(256)
            messages[index] = (topic, time, bytes(damaged))
        bag.messages = lambda names: messages
        results = list(tracker.track(bag))
    assert len(results) == 40
    assert 20 < tracker.dropped < 40


def fail_at(sam_pt, calls, error):
    """Let these steps, counted from 1, raise the error."""
    step, frames = sam_pt.step, []

    def failing(image):
        frames.append(image)
        if len(frames) in calls:
            raise error
        return step(image)

    sam_pt.step = failing


def test_an_image_without_memory_for_it_has_an_empty_mask(tmp_path, sam_pt, caplog):
    fail_at(sam_pt, (1, 3), OutOfMemoryError("out of memory"))
    written = recorded(bags.write(tmp_path / "in", images(4)), tmp_path / "out", sam_pt)
    assert [bool(bags.pixels(message).any()) for _, message in written["/sampt/mask"]] == [False, True, False, True]
    assert "is rejected: out of memory" in caplog.text


def test_a_computation_that_fails_costs_an_image_its_masks(tmp_path, sam_pt, caplog):
    fail_at(sam_pt, (2, 3), ValueError("matrices disagree"))
    written = recorded(bags.write(tmp_path / "in", images(5)), tmp_path / "out", sam_pt)
    assert [bool(bags.pixels(message).any()) for _, message in written["/sampt/mask"]] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert caplog.text.count("is rejected, because of a fault") == 1
    assert "ValueError: matrices disagree" in caplog.text


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_compressed_image_of_a_size_beyond_all_bounds_is_dropped(tmp_path, sam_pt, suffix):
    sent = [bags.compressed(index, blank(), suffix) for index in range(3)]
    data = sent[1][1].data
    if suffix == ".png":
        data[16:24] = [0, 1, 134, 160] * 2  # 100,000 x 100,000
    else:
        at = bytes(data).index(b"\xff\xc0")
        data[at + 5 : at + 9] = 0xFF
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt, ONE)
    assert [each is None for each in results] == [False, True, False]
    assert tracker.dropped == 1


def test_an_object_outside_the_first_image_is_refused(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(1))
    with pytest.raises(QueryError, match="inside the 64x48 image"):
        tracked(source, sam_pt, ["200,20"])


# --- the same as the node's ---


def test_the_bytes_are_those_of_the_nodes_messages(tmp_path, sam_pt):
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    from rclpy.serialization import deserialize_message, serialize_message

    from sampt_ros.ros import conversions

    source = bags.write(tmp_path / "in", images(3))
    results, _ = tracked(source, sam_pt, TWO)
    recorded(source, tmp_path / "out", SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()), TWO, overlay=True)
    with BagReader(tmp_path / "out") as bag:
        written = {(topic, time): data for topic, time, data in bag.messages(bag.topics)}
    assert len(written) == 4 * 3
    types = bag_types.types()
    for each in results:
        head = bytes(types.serialize_cdr(each.header, "std_msgs/msg/Header"))
        node_header = deserialize_message(head, conversions.Header)
        frame = replace(each, event=replace(each.event, header=node_header))
        for name in ("mask", "labels", "points", "overlay"):
            message = OUTPUTS[name].make(frame, conversions.message_classes())
            data = written[f"/sampt/{name}", each.event.recorded_ns]
            assert str(deserialize_message(data, type(message))) == str(message)  # as text, since no NaN is equal
            kind = OUTPUTS[name].type
            # Nobody says what is in the bytes between two fields, and rclpy leaves there what was in memory: through
            # rosbags and back they are 0.
            published = bytes(serialize_message(message))
            assert len(data) == len(published)
            assert data == bytes(types.serialize_cdr(types.deserialize_cdr(published, kind), kind))


def test_the_types_are_those_that_ros_has_built():
    msg = pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    for name in ("TrackedObjects", "TrackedObject", "TrackedPoint", "QueryPoints", "QueryPoint"):
        built = getattr(msg, name).get_fields_and_field_types()
        assert [field for field, _ in bag_types.types().fielddefs[f"sampt_ros/msg/{name}"][1]] == list(built)


# --- installed ---


def test_the_message_files_are_found_beside_the_sources_and_in_an_installation(tmp_path, monkeypatch):
    beside = bag_types.message_folder()
    assert {path.stem for path in beside.glob("*.msg")} >= {"QueryPoints", "TrackedObjects"}
    package = tmp_path / "lib/python3/site-packages/sampt_ros"
    monkeypatch.setattr(bag_types, "__file__", str(package / "bag_types.py"))
    with pytest.raises(SourceError, match=r"no TrackedObjects\.msg found"):
        bag_types.message_folder()
    share = tmp_path / "share/sampt_ros/msg"
    share.mkdir(parents=True)
    (share / "TrackedObjects.msg").write_text("")
    assert bag_types.message_folder() == share


def test_pip_installs_the_message_files():
    root = Path(__file__).resolve().parents[2]
    program = "import setuptools, distutils.core as c; print(c.run_setup('setup.py', stop_after='init').data_files)"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    files = dict(ast.literal_eval(printed))["share/sampt_ros/msg"]
    assert files == sorted(str(path.relative_to(root)) for path in root.glob("msg/*.msg"))
