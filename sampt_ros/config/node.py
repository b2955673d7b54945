"""What the ROS nodes can be told besides the core's options."""

from __future__ import annotations

from dataclasses import dataclass

from sampt_ros.config.options import Section, option
from sampt_ros.errors import ConfigError


@dataclass(frozen=True)
class NodeConfig(Section):
    """What only the ROS node needs."""

    preset: str = option(
        "default", "Where the defaults of the core's parameters come from: a preset, or a .yaml file", fixed=True
    )
    autostart: bool = option(True, "Configure and activate at start", fixed=True)
    image_transport: str = option("raw", "raw, or compressed for <image>/compressed", choices=("raw", "compressed"))
    history: float = option(1.0, "A click may name an image this old", unit="seconds", minimum=0, maximum=30, live=True)
    clicks: str = option(
        "new_object",
        "What a positive click beside all masks does: starts a new object, or extends the last clicked one",
        choices=("new_object", "last_object"),
        live=True,
    )
    rectified: bool = option(
        False,
        "The images are rectified (image_rect): clicks are projected without distortion",
        live=True,
    )
    tf_timeout: float = option(
        0.2, "How long a click waits for its transform", unit="seconds", minimum=0, maximum=5, live=True
    )
    use_depth: bool = option(
        False, "Listen to `depth`, registered to the images: 3D positions, poses and a cloud; hidden clicks are refused"
    )
    depth_slop: float = option(
        0.02, "An image and its depth may be this far apart", unit="seconds", minimum=0.001, maximum=1
    )
    depth_timeout: float = option(
        1.0, "After this long without depth nothing waits for it", unit="seconds", minimum=0.05, maximum=60, live=True
    )
    broadcast_tf: bool = option(False, "Broadcast every object's pose on TF as sampt/object_ID", live=True)


@dataclass(frozen=True)
class VideoPublisherConfig(Section):
    """The node `video_publisher`; all fixed at start."""

    source: str = option("", "Path of a video file or an image folder", fixed=True)
    rate: float = option(0.0, "Rate; 0: the video's own", unit="frames/s", minimum=0, maximum=1000, fixed=True)
    loop: bool = option(False, "Start again after the last frame", fixed=True)
    frame_id: str = option("camera_optical_frame", "Frame of the images and the CameraInfo", fixed=True)
    fov: float = option(
        60.0,
        "Horizontal field of view, for the CameraInfo where no camera_matrix is given",
        unit="degrees",
        minimum=1,
        maximum=179,
        fixed=True,
    )
    camera_matrix: tuple = option((), "The 9 numbers of K, row by row; empty: made from fov", unit="pixels", fixed=True)
    wait_for: int = option(
        1,
        "Start when the images have so many subscribers, so that none misses a frame",
        minimum=0,
        maximum=100,
        fixed=True,
    )
    image_transport: str = option(
        "raw", "raw, or compressed for JPEG on <image>/compressed", choices=("raw", "compressed"), fixed=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        matrix = self.camera_matrix
        numbers = all(isinstance(value, float | int) for value in matrix)
        if matrix and not (len(matrix) == 9 and numbers and matrix[0] > 0 and matrix[4] > 0):
            raise ConfigError(f"camera_matrix: expected 9 numbers with focal lengths above 0; got {list(matrix)}")
