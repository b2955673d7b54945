"""Track clicked objects in a camera's images: `ros2 launch sampt_ros track.launch.py`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("sampt_ros"))
PRESETS = ", ".join(sorted(path.stem for path in (SHARE / "config").glob("*.yaml")))

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
        "broadcast_tf",
        default_value="false",
        choices=["true", "false"],
        description="With depth: broadcast every object on TF as sampt/object_ID",
    ),
    DeclareLaunchArgument(
        "preset", default_value="default", description=f"Segmenter and tracker: {PRESETS}, or the path of a .yaml file"
    ),
    DeclareLaunchArgument("params_file", default_value="", description="ROS parameter file on top of the preset"),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node, such as front_camera"),
    DeclareLaunchArgument(
        "image_transport",
        default_value="raw",
        choices=["raw", "compressed"],
        description="raw: sensor_msgs/Image on <image>; compressed: CompressedImage on <image>/compressed",
    ),
    DeclareLaunchArgument(
        "video", default_value="", description="Video file or image folder to play as the camera; empty: a real camera"
    ),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=["true", "false"], description="Play the video again and again"
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=["true", "false"], description="Start RViz with two click tools"
    ),
]


def nodes(context: LaunchContext) -> list[Node]:
    """The nodes that the arguments ask for."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    topics = [("image", given["image"]), ("camera_info", given["camera_info"])]
    in_3d = {}
    if given["depth"]:
        topics.append(("depth", given["depth"]))
        in_3d = {"use_depth": True, "broadcast_tf": given["broadcast_tf"] == "true"}
    started = [
        Node(
            package="sampt_ros",
            executable="sampt_node",
            name="sampt",
            namespace=given["namespace"],
            remappings=topics,
            parameters=[
                {"preset": given["preset"], "image_transport": given["image_transport"], **in_3d},
                *([given["params_file"]] if given["params_file"] else []),
            ],
            output="screen",
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", str(SHARE / "config" / "track.rviz")],
            condition=IfCondition(given["rviz"]),
        ),
    ]
    if given["video"]:
        started.append(
            Node(
                package="sampt_ros",
                executable="video_publisher",
                name="video_publisher",
                remappings=[("image_raw", given["image"]), ("camera_info", given["camera_info"])],
                parameters=[
                    {
                        "source": given["video"],
                        "loop": given["loop"] == "true",
                        "image_transport": given["image_transport"],
                    }
                ],
                output="screen",
            )
        )
    return started


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=nodes)])
