"""Track in several cameras at once, a node for each: `ros2 launch sampt_ros cameras.launch.py cameras:=left,right`.

Each node has its own namespace, topics, clicks in its images, and diagnostics; on a machine with a GPU they share it.
RViz's clicks in 3D go to all of them, and count where the point is in the camera's image.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir

ARGUMENTS = [
    DeclareLaunchArgument(
        "cameras",
        default_value="left,right",
        description="Namespaces, with commas between; images come from /NAMESPACE/image_raw",
    ),
    DeclareLaunchArgument("image", default_value="image_raw", description="Image topic in each namespace"),
    DeclareLaunchArgument("camera_info", default_value="camera_info", description="CameraInfo topic in each namespace"),
    DeclareLaunchArgument(
        "depth",
        default_value="",
        description="Topic in each namespace of depth registered to the images, for 3D output; empty: 2D only",
    ),
    DeclareLaunchArgument(
        "depth_transport",
        default_value="raw",
        choices=["raw", "compressedDepth", "compressed"],
        description="Of all cameras",
    ),
    DeclareLaunchArgument(
        "broadcast_tf",
        default_value="false",
        choices=["true", "false"],
        description="With depth: broadcast every object on TF as NAMESPACE/sampt/object_ID",
    ),
    DeclareLaunchArgument("preset", default_value="default", description="Segmenter and tracker of all nodes"),
    DeclareLaunchArgument("params_file", default_value="", description="ROS parameter file of all nodes"),
    DeclareLaunchArgument(
        "image_transport", default_value="raw", choices=["raw", "compressed"], description="Of all cameras"
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="Take the time from /clock"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=["true", "false"],
        description="Configure and activate the nodes at start",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="Start a node again when it ends; the others go on meanwhile",
    ),
]


def cameras(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """`track.launch.py` for every camera."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    names = [name.strip("/ ") for name in given.pop("cameras").split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"cameras: expected different namespaces such as left,right; got {','.join(names)!r}")
    topics = {name: given.pop(name) for name in ("image", "camera_info", "depth")}
    source = PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/track.launch.py"])
    return [
        IncludeLaunchDescription(
            source,
            launch_arguments={
                **given,
                "namespace": name,
                **{topic: f"/{name}/{value}" if value else "" for topic, value in topics.items()},
            }.items(),
        )
        for name in names
    ]


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=cameras)])
