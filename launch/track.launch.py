"""Track clicked objects in a camera's images: `ros2 launch sampt_ros track.launch.py`."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("sampt_ros"))
PRESETS = ", ".join(sorted(path.stem for path in (SHARE / "config").glob("*.yaml")))
RVIZ_FILE = SHARE / "config" / "track.rviz"
RESPAWN_DELAY = 5.0  # seconds; a node that fails at once, as on a used port, is not to keep the machine busy


def switch(name: str, default: str, description: str) -> DeclareLaunchArgument:
    """An argument that is true or false."""
    return DeclareLaunchArgument(name, default_value=default, choices=["true", "false"], description=description)


ARGUMENTS = [
    DeclareLaunchArgument("image", default_value="/camera/image_raw", description="Image topic to track in"),
    DeclareLaunchArgument(
        "camera_info",
        default_value="/camera/camera_info",
        description="CameraInfo topic, needed for 3D clicks and output",
    ),
    DeclareLaunchArgument(
        "depth", default_value="", description="Topic of depth registered to the images, for 3D output; empty: 2D only"
    ),
    DeclareLaunchArgument(
        "depth_transport",
        default_value="raw",
        choices=["raw", "compressedDepth", "compressed"],
        description="raw: sensor_msgs/Image on <depth>; others: CompressedImage on <depth>/TRANSPORT",
    ),
    switch("broadcast_tf", "false", "With depth: broadcast every object on TF as sampt/object_ID"),
    DeclareLaunchArgument(
        "preset", default_value="default", description=f"Segmenter and tracker: {PRESETS}, or the path of a .yaml file"
    ),
    DeclareLaunchArgument("params_file", default_value="", description="ROS parameter file on top of the preset"),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of the node, such as front_camera; topics without a leading / are in it",
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="raw",
        choices=["raw", "compressed"],
        description="raw: sensor_msgs/Image on <image>; compressed: CompressedImage on <image>/compressed",
    ),
    switch("use_sim_time", "false", "Take the time from /clock, as with a simulator or `ros2 bag play --clock`"),
    switch("autostart", "true", "Configure and activate the node at start; false: `ros2 lifecycle set` does"),
    switch("respawn", "false", "Start the node, and the page of web:=true, again when it ends, as services need it"),
    DeclareLaunchArgument(
        "video", default_value="", description="Video file or image folder to play as the camera; empty: a real camera"
    ),
    switch("loop", "false", "Play the video again and again"),
    switch("rviz", "false", "Start RViz with two click tools"),
    switch("web", "false", "Serve a page in the browser that shows the masks and takes clicks; the log says where"),
    DeclareLaunchArgument(
        "web_host",
        default_value="127.0.0.1",
        description="Address of that page; 0.0.0.0: other machines see it too, with the token that the log names",
    ),
    DeclareLaunchArgument("web_port", default_value="8080", description="Port of that page"),
]


def nodes(context: LaunchContext) -> list[Node]:
    """The nodes that the arguments ask for; raises ValueError or RuntimeError, before any is started."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    given["namespace"] = given["namespace"].strip("/")
    for name in ("image", "camera_info", "depth"):
        given[name] = absolute(given[name], given["namespace"])
    if given["broadcast_tf"] == "true" and not given["depth"]:
        raise ValueError("broadcast_tf:=true: expected depth:=TOPIC too, which poses are made of; got none")
    started = [tracker(given)]
    if given["rviz"] == "true":
        started.append(rviz(given))
    if given["web"] == "true":
        started.append(page(given))
    if given["video"]:
        started.append(player(given))
    return started


def absolute(topic: str, namespace: str) -> str:
    """A topic by its whole name, so that all nodes mean the same one; an empty one stays empty."""
    if not topic or topic.startswith(("/", "~")):
        return topic
    return f"/{namespace}/{topic}" if namespace else f"/{topic}"


def respawn(given: Mapping[str, str]) -> dict[str, Any]:
    """How a node comes back that has ended; not for the video, which ends, nor for RViz, which people close."""
    return {"respawn": given["respawn"] == "true", "respawn_delay": RESPAWN_DELAY}


def tracker(given: Mapping[str, str]) -> Node:
    """The node that tracks."""
    topics = [("image", given["image"]), ("camera_info", given["camera_info"])]
    parameters = {
        "preset": given["preset"],
        "image_transport": given["image_transport"],
        "use_sim_time": given["use_sim_time"] == "true",
        "autostart": given["autostart"] == "true",
    }
    if given["depth"]:
        topics.append(("depth", given["depth"]))
        parameters |= {
            "use_depth": True,
            "depth_transport": given["depth_transport"],
            "broadcast_tf": given["broadcast_tf"] == "true",
        }
    if given["web"] == "true":
        # A picture may take a second to a browser, and a click on it the same way back.
        parameters["history"] = 3.0
    return Node(
        package="sampt_ros",
        executable="sampt_node",
        name="sampt",
        namespace=given["namespace"],
        remappings=topics,
        parameters=[parameters, *([given["params_file"]] if given["params_file"] else [])],
        output="screen",
        **respawn(given),
    )


def player(given: Mapping[str, str]) -> Node:
    """What plays a video on the topics of the camera."""
    return Node(
        package="sampt_ros",
        executable="video_publisher",
        name="video_publisher",
        namespace=given["namespace"] or None,  # it has one of its own
        remappings=[("image_raw", given["image"]), ("camera_info", given["camera_info"])],
        parameters=[
            {
                "source": given["video"],
                "loop": given["loop"] == "true",
                "image_transport": given["image_transport"],
                "use_sim_time": given["use_sim_time"] == "true",
            }
        ],
        output="screen",
    )


def page(given: Mapping[str, str]) -> Node:
    """The page in the browser."""
    return Node(
        package="sampt_ros",
        executable="web",
        name="sampt_web",
        namespace=given["namespace"],
        remappings=[("image", given["image"])],
        parameters=[
            {
                "host": given["web_host"],
                "port": int(given["web_port"]),
                "image_transport": given["image_transport"],
                "use_sim_time": given["use_sim_time"] == "true",
            }
        ],
        output="screen",
        **respawn(given),
    )


def rviz(given: Mapping[str, str]) -> Node:
    """RViz, with the topics of the node in its namespace; raises RuntimeError where it is not installed."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        distribution = os.environ.get("ROS_DISTRO", "$ROS_DISTRO")
        raise RuntimeError(
            f"rviz:=true: expected rviz2 (apt install ros-{distribution}-rviz2); it is not installed"
        ) from None
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(rviz_file(given["namespace"]))],
        parameters=[{"use_sim_time": given["use_sim_time"] == "true"}],
    )


def rviz_file(namespace: str) -> Path:
    """RViz's configuration for a node in a namespace: ours, or a temporary one with other topics."""
    if not namespace:
        return RVIZ_FILE
    with NamedTemporaryFile("w", prefix="sampt_", suffix=".rviz", delete=False) as file:
        file.write(RVIZ_FILE.read_text().replace("/sampt/", f"/{namespace}/sampt/"))
    return Path(file.name)


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=nodes)])
