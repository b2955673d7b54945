"""`sampt bag`: track objects through the images of a ROS 2 bag, and write the node's messages to another bag."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from sampt_ros.cli import common
from sampt_ros.cli.options.outputs import Outputs, Summary, add_outputs
from sampt_ros.config.node import NodeConfig
from sampt_ros.errors import QueryError, SamPtError, SourceError
from sampt_ros.io.writing import uninterrupted
from sampt_ros.tracking.sam_pt import SamPt

if TYPE_CHECKING:
    from sampt_ros.bags.reader import BagReader
    from sampt_ros.bags.recorder import BagRecorder
    from sampt_ros.bags.tracker import BagTracker
    from sampt_ros.streaming.tracked_frame import TrackedFrame


_HELP = """
Every image of the bag is tracked, as fast as the machine can. What to track comes from the bag (sampt_ros/QueryPoints,
/sampt/reference, rqt_image_view's clicks on IMAGE_mouse_left and /sampt/overlay_mouse_left, and 3D clicks on
/clicked_point and /sampt/clicked_background in the images' own frame), or from --point, --box and --mask, in pixels of
the first image (those after --start N in image N, counted from 0), or --reference; see `sampt track --help`.

examples:
  sampt bag recording/ tracked/ --point 320,240
  sampt bag recording.mcap tracked/ --image /camera/color/image_raw --overlay
  sampt bag recording/ tracked/ --queries /my/query_points --storage sqlite3
  sampt bag recording/ tracked/ --box 300,200,360,280 --depth /camera/aligned_depth_to_color/image_raw

Written to OUT, each with the header and the recording time of its image; the topics of IN are not copied:
  /sampt/mask           sensor_msgs/Image mono8, 255 on every object
  /sampt/labels         sensor_msgs/Image mono16, object id per pixel
  /sampt/points         sampt_ros/TrackedObjects; positions and poses with depth
  /sampt/overlay        sensor_msgs/Image rgb8, with --overlay
  /sampt/object_poses   geometry_msgs/PoseArray, with depth
  /sampt/cloud          sensor_msgs/PointCloud2, with depth
With --export coco, OUT/coco is a labelled dataset: images, COCO JSON and YOLO polygons.
Depth must be registered to the images: 16UC1 millimetres or 32FC1 metres, raw or compressedDepth (PNG, RVL).
Each image gets the depth nearest in time. Without --depth, the only depth topic in the images' own frame is read,
if their CameraInfo is in the bag.
Ctrl-C or SIGTERM ends the run; OUT is then a complete bag of everything tracked so far. A damaged image has no
messages, one that there was not enough memory for has an empty mask. IN may be compressed, damaged, split with
files missing, or left by a recorder that was killed: it is read as far as possible, with a warning for each
problem. IN is not changed.
"""


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "bag",
        _run,
        "track objects through a ROS 2 bag, as the node would; no ROS needed",
        _HELP,
    )
    argument = parser.add_argument
    argument("bag", type=common.path, metavar="IN", help="MCAP or SQLite3: the bag's folder, or one of its files")
    argument("out", type=common.path, metavar="OUT", help="the new bag's folder, outside of IN's")
    argument("--image", default="", metavar="TOPIC", help="raw or compressed; needed if there are several")
    argument(
        "--depth",
        default="",
        metavar="TOPIC",
        help="registered to the images; needed if there are several, or if its frame is not that of the images",
    )
    argument(
        "--depth-slop",
        type=float,
        default=NodeConfig.depth_slop,
        metavar="SECONDS",
        help=f"largest time difference between an image and its depth (default: {NodeConfig.depth_slop})",
    )
    argument("--camera-info", default="", metavar="TOPIC", help="for depth and 3D clicks (default: beside the images)")
    argument("--rectified", action="store_true", help="the images are rectified (image_rect): without distortion")
    argument(
        "--clicks",
        choices=("new_object", "last_object"),
        default=NodeConfig.clicks,
        help=f"what a positive click outside all masks starts or extends (default: {NodeConfig.clicks})",
    )
    argument("--queries", default="", metavar="TOPIC", help="sampt_ros/QueryPoints; needed if there are several")
    argument("--storage", choices=("mcap", "sqlite3"), help="of OUT (default: as IN)")
    argument("--overlay", action="store_true", help="also write masks and points drawn over the images")
    common.add_prompts(parser)
    add_outputs(parser, common.path)
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    summary = track(parsed, print_text=True)
    if common.has_prompts(parsed):
        summary.require_objects()
    elif not summary.masks:  # Nobody has clicked while the bag was recorded, or only after the last image.
        print("no image has an object: all masks are empty")
    return 0


def track(parsed: argparse.Namespace, print_text: bool = False) -> Summary:
    """Run the command with its parsed arguments; returns a summary, which has no masks if no image has an object.

    print_text  whether to print the summary, also if an error or Ctrl-C ends the run after some images

    Raises SamPtError.
    """
    try:
        from sampt_ros.bags.files import require_outside
        from sampt_ros.bags.reader import BagReader
        from sampt_ros.bags.recorder import BagRecorder
        from sampt_ros.bags.topics import choose_inputs, inspect_topics
        from sampt_ros.bags.tracker import BagTracker
    except ImportError as error:  # these packages are needed by this command only
        raise SamPtError(
            f"expected rosbags and mcap, which read bags: pip install rosbags mcap; got: {error}"
        ) from None
    require_outside(parsed.out, parsed.bag)
    starts = common.starts(parsed) if common.has_prompts(parsed) else {}
    config = common.config(parsed)
    options = node_options(parsed)
    with BagReader(parsed.bag) as bag, Outputs(parsed, parsed.out, starts) as outputs:
        inputs = choose_inputs(
            bag.topics, inspect_topics(bag), parsed.image, parsed.depth, parsed.queries, parsed.camera_info
        )
        if not (starts or inputs.query_topics):
            raise QueryError(
                "expected what to track: --point, --box, --mask, --reference, or sampt_ros/QueryPoints in the bag"
            )
        recorder = BagRecorder(parsed.out, parsed.storage or bag.storage, parsed.overlay, inputs.depth is not None)
        tracker = BagTracker(SamPt(config), inputs, starts, options)
        try:
            with recorder, tqdm(total=inputs.image.count, unit="frame", disable=None) as progress:
                _record(tracker, bag, recorder, outputs, progress)
        finally:
            summary = _summary(recorder, tracker, outputs)
            if recorder.frames and print_text:
                print(summary.text)
    if not recorder.frames:
        reason = f" that cannot be used: {tracker.drop_reason}" if tracker.dropped else ""
        raise SourceError(f"expected at least one image on {inputs.image.name}; got {tracker.dropped}{reason}")
    return summary


def node_options(parsed: argparse.Namespace) -> NodeConfig:
    """The options that are parameters of the node; raises ConfigError."""
    return NodeConfig(depth_slop=parsed.depth_slop, rectified=parsed.rectified, clicks=parsed.clicks)


def _record(tracker: BagTracker, bag: BagReader, recorder: BagRecorder, outputs: Outputs, progress: tqdm[Any]) -> None:
    """Write every tracked image, including those that still wait for their depth when the run ends."""

    def write(tracked: TrackedFrame) -> None:
        with uninterrupted():  # An image is in the bag and in the dataset, or in neither.
            recorder.add(tracked)
            outputs.add(tracked.image, replace(tracked.result, index=tracked.event.number))

    try:
        for tracked in tracker.track(bag):
            if tracked is not None:
                write(tracked)
            progress.update()
    finally:
        for tracked in tracker.remaining_frames():
            write(tracked)


def _summary(recorder: BagRecorder, tracker: BagTracker, outputs: Outputs) -> Summary:
    dropped = f" ({tracker.dropped} dropped)" if tracker.dropped else ""
    depth = f", {recorder.with_depth} of them with depth" if recorder.writes_depth else ""
    poses = recorder.poses if recorder.writes_depth else None
    refused = f", {tracker.refused} messages refused" if tracker.refused else ""
    late = f", {tracker.too_late} queries, clicks or references after the last image" if tracker.too_late else ""
    lost = recorder.frames - recorder.stored
    only = f" were made, of which the last {lost} could not be stored" if lost else ""
    text = (
        f"{recorder.path}: masks, labels and points of {recorder.frames} images{dropped}{depth}{refused}{late}{only}"
        + common.tracking_summary(recorder.frames, recorder.seconds, recorder.masks, poses)
        + outputs.text
    )
    return Summary(recorder.frames, tracker.dropped, recorder.seconds, recorder.masks, outputs.j, text)
