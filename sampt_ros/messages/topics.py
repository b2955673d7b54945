"""What the node listens to, publishes and serves, in words; docs/ros_interface.md's tables are made from this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """A topic or service of the node; `~` stands for /sampt, or /NAMESPACE/sampt."""

    direction: str
    name: str
    type: str
    meaning: str


ENDPOINTS = (
    Endpoint(
        "in",
        "image",
        "sensor_msgs/Image",
        "the camera's images; with `image_transport: compressed` a sensor_msgs/CompressedImage on `image/compressed`: "
        "a Bayer mosaic as PNG, which `format` names, gets its colours; an orientation in EXIF data is not heeded, so "
        "that masks fit CameraInfo",
    ),
    Endpoint(
        "in", "camera_info", "sensor_msgs/CameraInfo", "the camera's intrinsics; needed for 3D clicks and 3D output"
    ),
    Endpoint(
        "in",
        "depth",
        "sensor_msgs/Image",
        "with `use_depth`: depth images registered to the camera's images and of their size, 16UC1 in millimetres or "
        "32FC1 in metres (REP 118); with `depth_transport: compressedDepth` a sensor_msgs/CompressedImage on "
        "`depth/compressedDepth` (PNG or RVL), with `compressed` one on `depth/compressed` (PNG or TIFF). "
        "An image and its depth may be `depth_slop` seconds apart",
    ),
    Endpoint(
        "in",
        "~/query_points",
        "sampt_ros/QueryPoints",
        "starts, corrects, restarts or removes an object by points, a box or a seed mask, in pixels. `header.stamp` "
        "names the image that they refer to; zero means the newest",
    ),
    Endpoint(
        "in",
        "~/reference",
        "sampt_ros/Reference",
        "a picture of an object and its mask in that picture: the object is searched for without a click. Publish it "
        "transient local (latched), so that the node may start later",
    ),
    Endpoint(
        "in",
        "/clicked_point",
        "geometry_msgs/PointStamped",
        "RViz's Publish Point tool: a point on an object, in metres, in any frame that TF connects to the camera",
    ),
    Endpoint(
        "in", "~/clicked_background", "geometry_msgs/PointStamped", "the same for a point that is not on the object"
    ),
    Endpoint(
        "in",
        "image_mouse_left",
        "geometry_msgs/Point",
        "a click in rqt_image_view, in pixels; the topic's name is that of the view followed by `_mouse_left`: the "
        "remapped image topic or `~/overlay`, each also with `/compressed`",
    ),
    Endpoint(
        "out",
        "~/mask",
        "sensor_msgs/Image",
        "mono8: 255 on every tracked object, 0 elsewhere",
    ),
    Endpoint("out", "~/labels", "sensor_msgs/Image", "mono16: the object id per pixel, 0 elsewhere"),
    Endpoint(
        "out",
        "~/points",
        "sampt_ros/TrackedObjects",
        "every object with its id, state (TRACKING, UNCERTAIN, LOST, REACQUIRED), score, box, area, pose and tracked "
        "points; 3D positions are NaN without depth",
    ),
    Endpoint("out", "~/overlay", "sensor_msgs/Image", "rgb8: the image with masks and points drawn on it"),
    Endpoint(
        "out",
        "~/mask/compressed, ~/overlay/compressed",
        "sensor_msgs/CompressedImage",
        "the same as PNG (mask) and JPEG (overlay), as image_transport names them",
    ),
    Endpoint(
        "out",
        "~/object_poses",
        "geometry_msgs/PoseArray",
        "the poses of the objects with depth, in the order of `~/points`, in metres in the camera's optical frame; "
        "silent without depth",
    ),
    Endpoint(
        "out",
        "~/cloud",
        "sensor_msgs/PointCloud2",
        "the objects' pixels with reliable depth, with the fields x, y, z (float32), rgb and object_id (uint32); "
        "silent without depth",
    ),
    Endpoint(
        "out",
        "/tf",
        "tf2_msgs/TFMessage",
        "with `broadcast_tf`: the same poses as frames `sampt/object_ID`, children of the camera's optical frame",
    ),
    Endpoint(
        "out",
        "/diagnostics",
        "diagnostic_msgs/DiagnosticArray",
        "once a second: whether images and depth arrive, rates, latency of each stage, what was dropped or refused "
        "and why",
    ),
    Endpoint(
        "service",
        "~/query",
        "sampt_ros/Query",
        "the same as `~/query_points`, with a response once it is carried out, before the next frame: success, a "
        "message, and the object's id, state, score, box and area",
    ),
    Endpoint(
        "service",
        "~/reset",
        "std_srvs/Trigger",
        "removes all objects before the next frame; ids start from 1 again, and until the next image comes queries may "
        "refer to those so far",
    ),
    Endpoint(
        "service", "~/pause", "std_srvs/SetBool", "true: images are ignored and nothing is published, until false"
    ),
)


def mouse_topics(image: str, node: str) -> tuple[str, ...]:
    """The topics on which rqt_image_view publishes clicks in the images and in the overlay, raw or compressed.

    image: the topic of the raw images; node: the prefix of the node's own topics.
    """
    views = (image, f"{node}/overlay")
    return tuple(f"{view}{form}_mouse_left" for view in views for form in ("", "/compressed"))


def is_called_rectified(topic: str) -> bool:
    """Whether an image topic's name says that its images are rectified, as image_rect_color does."""
    *namespaces, name = topic.removesuffix("/compressed").lower().split("/")
    return bool({"rect", "rectified"} & {*name.split("_"), *namespaces[-1:]})
