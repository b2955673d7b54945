"""What the node listens to, publishes and serves, in words; the README's table is made from this."""

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
        "the camera; with `image_transport: compressed` a sensor_msgs/CompressedImage on `image/compressed`. Best "
        "effort, depth 1: a frame that comes while another is worked on is replaced by the next one, never queued",
    ),
    Endpoint(
        "in", "camera_info", "sensor_msgs/CameraInfo", "intrinsics of that camera; needed for 3D clicks and output"
    ),
    Endpoint(
        "in",
        "depth",
        "sensor_msgs/Image",
        "with `use_depth`: 16UC1 (millimetres) or 32FC1 (metres) as in REP 118, registered to the images and of their "
        "size; paired with them by message_filters, at most `depth_slop` apart",
    ),
    Endpoint(
        "in",
        "~/query_points",
        "sampt_ros/QueryPoints",
        "pixels: points, box or seed mask that start (ADD, object_id 0), correct (ADD), restart (REPLACE) or end "
        "(REMOVE) an object. `header.stamp` names the image that was clicked (zero: the newest)",
    ),
    Endpoint(
        "in",
        "~/reference",
        "sampt_ros/Reference",
        "a picture of an object and its mask there: it is looked for without a click. To be published transient "
        "local (latched): what was published before the node was there counts too",
    ),
    Endpoint(
        "in",
        "/clicked_point",
        "geometry_msgs/PointStamped",
        "RViz's Publish Point, metres, any frame that TF connects to the camera: a point on an object",
    ),
    Endpoint("in", "~/clicked_background", "geometry_msgs/PointStamped", "the same, a point off the object"),
    Endpoint(
        "in",
        "image_mouse_left",
        "geometry_msgs/Point",
        "rqt_image_view's click, pixels, beside the remapped image topic",
    ),
    Endpoint(
        "out",
        "~/mask",
        "sensor_msgs/Image",
        "mono8, 255 on every tracked object, 0 elsewhere; the header is that of the image it belongs to",
    ),
    Endpoint("out", "~/labels", "sensor_msgs/Image", "mono16, the object's id per pixel, 0 elsewhere; same header"),
    Endpoint(
        "out",
        "~/points",
        "sampt_ros/TrackedObjects",
        "per object its id, state (TRACKING, UNCERTAIN, LOST, REACQUIRED), score, box, area, pose, and tracked points "
        "with their 3D positions (NaN without depth); same header",
    ),
    Endpoint(
        "out", "~/overlay", "sensor_msgs/Image", "rgb8, for people; drawn only while somebody subscribes; same header"
    ),
    Endpoint(
        "out",
        "~/object_poses",
        "geometry_msgs/PoseArray",
        "where depth shows them, in the order of `~/points`: centres (median by axis), metres, in the camera's optical "
        "frame, x along the longest extent, z along the shortest, to the camera; same header; silent without depth",
    ),
    Endpoint(
        "out",
        "~/cloud",
        "sensor_msgs/PointCloud2",
        "the objects' pixels whose depth is believed: x, y, z (float32), rgb, object_id (uint32); same header; silent "
        "without depth",
    ),
    Endpoint(
        "out",
        "/tf",
        "tf2_msgs/TFMessage",
        "with `broadcast_tf`: the same poses as frames `sampt/object_ID` of the camera's optical frame",
    ),
    Endpoint(
        "out",
        "/diagnostics",
        "diagnostic_msgs/DiagnosticArray",
        "once a second: rates, latency by stage in ms, frames dropped and rejected, queries refused, the last reason, "
        "whether depth comes",
    ),
    Endpoint(
        "service",
        "~/query",
        "sampt_ros/Query",
        "the same as `~/query_points`, answered when it was carried out, between two images: success, message, and the "
        "object's id, state, score, box and area",
    ),
    Endpoint("service", "~/reset", "std_srvs/Trigger", "drop all objects between two frames; ids begin anew"),
    Endpoint("service", "~/pause", "std_srvs/SetBool", "true: images are ignored and nothing is published"),
)
