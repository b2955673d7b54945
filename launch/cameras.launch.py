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
    DeclareLaunchArgument("preset", default_value="default", description="Segmenter and tracker of all nodes"),
    DeclareLaunchArgument("params_file", default_value="", description="ROS parameter file of all nodes"),
    DeclareLaunchArgument(
        "image_transport", default_value="raw", choices=["raw", "compressed"], description="Of all cameras"
    ),
]


def cameras(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """`track.launch.py` for every camera."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    names = [name.strip("/ ") for name in given.pop("cameras").split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"cameras: expected different namespaces such as left,right; got {','.join(names)!r}")
    image, camera_info = given.pop("image"), given.pop("camera_info")
    source = PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/track.launch.py"])
    return [
        IncludeLaunchDescription(
            source,
            launch_arguments={
                **given,
                "namespace": name,
                "image": f"/{name}/{image}",
                "camera_info": f"/{name}/{camera_info}",
            }.items(),
        )
        for name in names
    ]


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=cameras)])
