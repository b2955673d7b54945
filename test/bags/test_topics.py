"""Which topics of a bag are read."""

from __future__ import annotations

import bags
import pytest
from bags import FRAME

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader, Topic
from sampt_ros.bags.topics import TopicInfo, choose_inputs, inspect_topics
from sampt_ros.errors import SourceError

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
        # sent by the ordinary transport without loss; mono16 is depth by its name
        (
            topics(a=RAW, d_compressed=PACKED, i=INFO),
            {"/a": COLOUR, "/d/compressed": TopicInfo("16UC1; png compressed ", FRAME)},
            {},
            ("/a", "/d/compressed"),
        ),
        (
            topics(a_compressed=PACKED, d_compressed=PACKED, i=INFO),
            {
                "/a/compressed": TopicInfo("rgb8; jpeg compressed bgr8", FRAME),
                "/d/compressed": TopicInfo("32FC1; tiff compressed ", FRAME),
            },
            {},
            ("/a/compressed", "/d/compressed"),
        ),
        (
            topics(a=RAW, d_compressed=PACKED, i=INFO),
            {"/a": COLOUR, "/d/compressed": TopicInfo("mono16; png compressed ", FRAME, is_called_depth=True)},
            {},
            ("/a", "/d/compressed"),
        ),
        # of several forms of one depth, the first of raw, compressedDepth, compressed
        (
            {
                **topics(a=RAW, d_compressed=PACKED, i=INFO),
                "/d/compressedDepth": Topic("/d/compressedDepth", PACKED, 3),
            },
            {
                "/a": COLOUR,
                "/d/compressed": TopicInfo("16UC1; png compressed ", FRAME),
                "/d/compressedDepth": TopicInfo("16UC1; compressedDepth png", FRAME),
            },
            {},
            ("/a", "/d/compressedDepth"),
        ),
        (
            topics(a=RAW, d=RAW, d_compressed=PACKED, i=INFO),
            {"/a": COLOUR, "/d": DEPTH, "/d/compressed": TopicInfo("16UC1; jpeg compressed ", FRAME)},
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


def test_depth_that_jpeg_has_changed_is_not_read_and_that_is_told(caplog):
    there = topics(a=RAW, d_compressed=PACKED, i=INFO)
    infos = {"/a": COLOUR, "/d/compressed": TopicInfo("16UC1; jpeg compressed ", FRAME)}
    assert choose_inputs(there, infos).depth is None
    assert "no 3D: expected depth as PNG, TIFF or compressedDepth; got JPEG, in which it is lost, on /d/" in caplog.text


def test_the_only_images_are_taken_for_grey_where_they_are_16uc1_and_not_called_depth(caplog):
    assert choose_inputs(topics(thermal=RAW, i=INFO), {"/thermal": DEPTH}).image.name == "/thermal"
    assert "/thermal is 16UC1 and the only topic of images: it is taken for grey" in caplog.text
    there, infos = topics(ir_compressed=PACKED), {"/ir/compressed": TopicInfo("16UC1; png compressed ", FRAME)}
    assert choose_inputs(there, infos).image.name == "/ir/compressed"
    assert "/ir/compressed is 16UC1 and the only topic of images" in caplog.text
    assert choose_inputs(topics(depth=RAW), {"/depth": DEPTH}, image="/depth").image.name == "/depth"


@pytest.mark.parametrize("encoding", ["16UC1; jpeg compressed ", "32FC1; jpg compressed "])
def test_the_only_images_are_taken_for_grey_where_jpeg_has_made_them_so(caplog, encoding):
    there = topics(thermal_image_compressed=PACKED)
    chosen = choose_inputs(there, {"/thermal/image/compressed": TopicInfo(encoding, FRAME)})
    assert (chosen.image.name, chosen.depth) == ("/thermal/image/compressed", None)
    assert f"/thermal/image/compressed is {encoding.strip()} and the only topic of images" in caplog.text
    with pytest.raises(SourceError, match="expected images in colour or grey"):
        choose_inputs(topics(depth_compressed=PACKED), {"/depth/compressed": TopicInfo(encoding, FRAME)})
    two = topics(a_compressed=PACKED, b_compressed=PACKED)
    with pytest.raises(SourceError, match="expected images in colour or grey"):
        choose_inputs(two, {name: TopicInfo(encoding, FRAME) for name in two})


@pytest.mark.parametrize(("has_raw", "chosen"), [(True, "/thermal"), (False, "/thermal/compressed")])
def test_the_only_images_may_be_there_in_several_forms(has_raw, chosen):
    forms = {
        "/thermal/compressedDepth": TopicInfo("16UC1; compressedDepth png", FRAME),
        "/thermal/compressed": TopicInfo("16UC1; jpeg compressed ", FRAME),
    }
    forms |= {"/thermal": DEPTH} if has_raw else {}
    there = {name: Topic(name, PACKED if "compressed" in name else RAW, 3) for name in forms}
    inputs = choose_inputs({**there, **topics(i=INFO)}, forms)
    assert inputs.image.name == chosen


@pytest.mark.parametrize(
    ("topic", "is_depth"),
    [
        ("/camera/depth/image_raw", True),
        ("/camera/depth/image_raw/compressed", True),
        ("/camera/depth/image_raw/compressedDepth", True),
        ("/camera/infra/image_raw/compressed", False),
        ("/depth_camera/infra/image_raw/compressed", False),
    ],
)
def test_mono16_is_depth_by_the_name_of_its_raw_topic(tmp_path, topic, is_depth):
    coded = ("mono16; png compressed ", b"")
    _, message = bags.compressed_depth(0, coded)
    with BagReader(bags.write(tmp_path / "in", [(topic, message)])) as bag:
        assert inspect_topics(bag)[topic].is_depth == is_depth


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
