"""The parameters of the ROS nodes, besides those of the core."""

from __future__ import annotations

from dataclasses import dataclass

from sampt_ros.config.options import Section, option
from sampt_ros.errors import ConfigError


@dataclass(frozen=True)
class NodeConfig(Section):
    """The node `sampt`, besides the parameters of the core."""

    preset: str = option(
        "default",
        "Preset that the core's parameters take their defaults from: its name, or the path of a .yaml file",
        fixed=True,
    )
    autostart: bool = option(True, "Whether the node configures and activates itself at start", fixed=True)
    image_transport: str = option(
        "raw",
        "Transport of the input images; compressed: the topic is `<image>/compressed`",
        choices=("raw", "compressed"),
    )
    history: float = option(
        1.0,
        "Age up to which images are kept, so that clicks on them can be answered",
        unit="seconds",
        minimum=0,
        maximum=30,
        live=True,
    )
    clicks: str = option(
        "new_object",
        "Effect of a positive click outside all masks: it starts a new object, or extends the last clicked one",
        choices=("new_object", "last_object"),
        live=True,
    )
    rectified: bool = option(
        False,
        "Whether the input images are rectified (image_rect), so that 3D points are projected without distortion",
        live=True,
    )
    tf_timeout: float = option(
        0.2, "Time that a 3D click waits for its transform", unit="seconds", minimum=0, maximum=5, live=True
    )
    use_depth: bool = option(
        False,
        "Whether the node subscribes to `depth`, registered to the images, and adds 3D positions, poses and a cloud; "
        "3D clicks on occluded points are refused then",
    )
    depth_transport: str = option(
        "raw",
        "raw, compressedDepth for <depth>/compressedDepth, or compressed for <depth>/compressed (PNG, TIFF; not JPEG)",
        choices=("raw", "compressedDepth", "compressed"),
    )
    depth_slop: float = option(
        0.02,
        "Largest difference between the stamps of an image and its depth image",
        unit="seconds",
        minimum=0.001,
        maximum=1,
    )
    depth_timeout: float = option(
        1.0,
        "Time without any depth image after which results no longer wait for one",
        unit="seconds",
        minimum=0.05,
        maximum=60,
        live=True,
    )
    shed_load: bool = option(
        True,
        "Whether the node reduces the work per frame, step by step, while frames take longer than the camera's period",
        live=True,
    )
    broadcast_tf: bool = option(
        False, "Whether every object's pose is broadcast on TF, as the frame sampt/object_ID", live=True
    )


@dataclass(frozen=True)
class VideoPublisherConfig(Section):
    """The node `video_publisher`; all fixed at start."""

    source: str = option("", "Path of the video file or image folder to play", fixed=True)
    rate: float = option(
        0.0,
        "Rate at which images are published; 0: the video's own rate",
        unit="frames/s",
        minimum=0,
        maximum=1000,
        fixed=True,
    )
    loop: bool = option(False, "Whether the video starts again after its last frame", fixed=True)
    frame_id: str = option(
        "camera_optical_frame", "The frame_id in the headers of the images and the CameraInfo", fixed=True
    )
    fov: float = option(
        60.0,
        "Horizontal field of view that the CameraInfo is made from if there is no camera_matrix",
        unit="degrees",
        minimum=1,
        maximum=179,
        fixed=True,
    )
    camera_matrix: tuple[float, ...] = option(
        (), "The 9 numbers of K in the CameraInfo, row by row; empty: K is made from fov", unit="pixels", fixed=True
    )
    wait_for: int = option(
        1,
        "Number of subscribers of the images that the first frame waits for, so that none of them misses it",
        minimum=0,
        maximum=100,
        fixed=True,
    )
    image_transport: str = option(
        "raw",
        "Transport of the published images; compressed: JPEG on the topic `<image>/compressed`",
        choices=("raw", "compressed"),
        fixed=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        matrix = self.camera_matrix
        numbers = all(isinstance(value, float | int) for value in matrix)
        if matrix and not (len(matrix) == 9 and numbers and matrix[0] > 0 and matrix[4] > 0):
            raise ConfigError(f"camera_matrix: expected 9 numbers with focal lengths above 0; got {list(matrix)}")
