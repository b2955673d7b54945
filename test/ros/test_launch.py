"""`ros2 launch sampt_ros track.launch.py`, and the RViz configuration that it opens."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHOICES = {
    "image_transport": ["raw", "compressed"],
    "depth_transport": ["raw", "compressedDepth", "compressed"],
    "broadcast_tf": ["true", "false"],
    "use_sim_time": ["true", "false"],
    "autostart": ["true", "false"],
    "respawn": ["true", "false"],
    "loop": ["true", "false"],
    "rviz": ["true", "false"],
    "web": ["true", "false"],
}
DEFAULTS = {
    "image": "/camera/image_raw",
    "camera_info": "/camera/camera_info",
    "depth": "",
    "depth_transport": "raw",
    "broadcast_tf": "false",
    "preset": "default",
    "params_file": "",
    "namespace": "",
    "image_transport": "raw",
    "use_sim_time": "false",
    "autostart": "true",
    "respawn": "false",
    "video": "",
    "loop": "false",
    "rviz": "false",
    "web": "false",
    "web_host": "127.0.0.1",
    "web_port": "8080",
}


def load(name: str):
    """A launch file as a module."""
    for needed in ("launch", "launch_ros"):
        pytest.importorskip(needed, reason=f"needs ROS 2's {needed}")
    packages = pytest.importorskip("ament_index_python.packages", reason="needs ROS 2 (ament_index_python)")
    try:
        packages.get_package_share_directory("sampt_ros")
    except packages.PackageNotFoundError:
        pytest.skip("needs the built package (make setup)")
    spec = importlib.util.spec_from_file_location(f"{name}_launch", ROOT / f"launch/{name}.launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def track():
    return load("track")


@pytest.fixture(scope="module")
def cameras():
    return load("cameras")


def started(track, **arguments: str) -> dict:
    """The Node actions that these arguments lead to, by executable."""
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(DEFAULTS | arguments)
    found = {}
    for node in track.nodes(context):
        node._perform_substitutions(context)
        found[node.node_executable] = node
    return found


def test_every_argument_has_a_default_and_a_description(track):
    arguments = {argument.name: argument for argument in track.generate_launch_description().get_launch_arguments()}
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    defaults = {name: perform_substitutions(LaunchContext(), made.default_value) for name, made in arguments.items()}
    assert defaults == DEFAULTS
    assert all(len(argument.description) > 10 for argument in arguments.values())
    assert {name: argument.choices for name, argument in arguments.items() if argument.choices} == CHOICES


def test_alone_it_starts_the_node_only(track):
    assert list(started(track)) == ["sampt_node"]


def test_topics_and_namespace_reach_the_node(track):
    node = started(track, image="/front/image", camera_info="/front/info", namespace="front")["sampt_node"]
    assert node.node_name == "/front/sampt"
    assert node.expanded_remapping_rules == [("image", "/front/image"), ("camera_info", "/front/info")]


def parameters(node) -> str:
    """The parameters that a node gets in files, as YAML."""
    words = [getattr(part[0], "text", "") for part in node.cmd]
    files = [after for word, after in pairwise(words) if word == "--params-file"]
    return "".join(Path(file).read_text() for file in files)


@pytest.mark.parametrize("transport", ["raw", "compressedDepth", "compressed"])
def test_a_depth_topic_turns_3d_output_on(track, transport):
    node = started(track, depth="/front/depth", broadcast_tf="true", depth_transport=transport)["sampt_node"]
    assert ("depth", "/front/depth") in node.expanded_remapping_rules
    given = parameters(node)
    assert "use_depth: true" in given and "broadcast_tf: true" in given and f"depth_transport: {transport}" in given


def test_poses_on_tf_without_depth_are_refused(track):
    with pytest.raises(ValueError, match="broadcast_tf:=true: expected depth:=TOPIC too"):
        started(track, broadcast_tf="true")


@pytest.mark.parametrize("value", ["true", "false"])
def test_the_clock_and_the_start_are_said_to_the_nodes(track, value):
    nodes = started(track, use_sim_time=value, autostart=value, video="cups.mp4")
    assert all(f"use_sim_time: {value}" in parameters(node) for node in nodes.values())
    assert f"autostart: {value}" in parameters(nodes["sampt_node"])


def test_a_video_plays_on_the_cameras_topics(track):
    nodes = started(track, video="cups.mp4")
    assert list(nodes) == ["sampt_node", "video_publisher"]
    remapped = dict(nodes["video_publisher"].expanded_remapping_rules)
    # what they are called in video_publisher
    assert remapped == {"image_raw": "/camera/image_raw", "camera_info": "/camera/camera_info"}


@pytest.mark.parametrize(
    ("namespace", "image", "topic"),
    [
        ("front", "image_raw", "/front/image_raw"),
        ("/front/", "colour/image_raw", "/front/colour/image_raw"),
        ("front", "/camera/image_raw", "/camera/image_raw"),
        ("", "image_raw", "/image_raw"),
        ("/", "image_raw", "/image_raw"),  # as compose.yaml says that there is none
    ],
)
def test_a_video_plays_on_the_topic_that_the_node_hears(track, namespace, image, topic):
    nodes = started(track, video="cups.mp4", namespace=namespace, image=image)
    assert dict(nodes["sampt_node"].expanded_remapping_rules)["image"] == topic
    assert dict(nodes["video_publisher"].expanded_remapping_rules)["image_raw"] == topic


@pytest.fixture
def rviz_installed(track, monkeypatch):
    monkeypatch.setattr(track, "get_package_prefix", lambda name: "/opt/ros")


def test_rviz_opens_our_configuration(track, rviz_installed):
    nodes = started(track, rviz="true")
    assert list(nodes) == ["sampt_node", "rviz2"]
    assert nodes["rviz2"].cmd[2][0].text == str(track.SHARE / "config/track.rviz")  # after the program and -d


def test_rviz_shows_the_topics_of_the_nodes_namespace(track, rviz_installed):
    file = Path(started(track, rviz="true", namespace="left/arm")["rviz2"].cmd[2][0].text)
    text = file.read_text()
    file.unlink()
    assert "Value: /left/arm/sampt/overlay" in text and "Value: /left/arm/sampt/clicked_background" in text
    assert " /sampt/" not in text
    assert "Value: /clicked_point" in text


def test_rviz_that_is_not_installed_is_an_error_before_anything_starts(track, monkeypatch):
    def missing(name: str) -> str:
        raise track.PackageNotFoundError(name)

    monkeypatch.setattr(track, "get_package_prefix", missing)
    with pytest.raises(RuntimeError, match=r"rviz:=true: expected rviz2 .*; it is not installed"):
        started(track, rviz="true")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("rviz:=true", "rviz:=true: expected rviz2"),
        ("broadcast_tf:=true", "broadcast_tf:=true: expected depth:=TOPIC too"),
    ],
)
def test_what_cannot_be_launched_leaves_no_node_behind(track, argument, complaint):
    if not shutil.which("ros2"):
        pytest.skip("needs the ros2 command, which starts launch files")
    with suppress(track.PackageNotFoundError):
        track.get_package_prefix("rviz2")
        if argument == "rviz:=true":
            pytest.skip("rviz2 is installed here")
    command = ["ros2", "launch", "sampt_ros", "track.launch.py", argument]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in (run.stdout + run.stderr).splitlines() if not line.startswith("[INFO]")]
    assert run.returncode == 1
    assert len(said) == 1 and complaint in said[0]  # and no process was started


def test_the_page_shows_the_cameras_images_and_is_served_where_it_is_wanted(track):
    node = started(track, web="true", web_host="0.0.0.0", web_port="9000", namespace="front", image="/front/image")[
        "web"
    ]
    assert node.node_name == "/front/sampt_web"
    assert node.expanded_remapping_rules == [("image", "/front/image")]
    assert "history: 3.0" in parameters(started(track, web="true")["sampt_node"])
    given = parameters(node)
    assert "host: 0.0.0.0" in given and "port: 9000" in given and "image_transport: raw" in given


def lives(track, **arguments: str) -> list[str]:
    """Run the launch file and kill each program once; the programs in the order in which they were started.

    The launch ends when the node or the page was started a second time, or when all programs have ended.
    """
    from launch import LaunchContext, LaunchDescription, LaunchService
    from launch.actions import EmitEvent, OpaqueFunction, RegisterEventHandler
    from launch.event_handlers import OnProcessStart
    from launch.events import Shutdown

    begun: list[str] = []

    def on_start(event, context: LaunchContext) -> list[EmitEvent]:
        name = event.action.node_executable
        begun.append(name)
        if begun.count(name) == 1:
            os.kill(event.pid, signal.SIGKILL)
        return [EmitEvent(event=Shutdown())] if begun.count("sampt_node") == begun.count("web") == 2 else []

    def nodes(context: LaunchContext) -> list:
        context.launch_configurations.update(DEFAULTS | arguments)
        return track.nodes(context)

    service = LaunchService(noninteractive=True)
    handler = RegisterEventHandler(OnProcessStart(on_start=on_start))
    service.include_launch_description(LaunchDescription([handler, OpaqueFunction(function=nodes)]))
    assert service.run() == 0
    return begun


def test_the_node_and_the_page_come_back_where_that_is_wanted(track, monkeypatch):
    monkeypatch.setattr(track, "RESPAWN_DELAY", 0.1)
    begun = lives(track, respawn="true", web="true", video="cups.mp4")
    assert (begun.count("sampt_node"), begun.count("web")) == (2, 2)
    assert begun.count("video_publisher") == 1  # a video has an end


def test_a_node_that_dies_stays_so_in_a_terminal(track):
    assert sorted(lives(track, web="true")) == ["sampt_node", "web"]


def included(cameras, /, **arguments: str) -> list[dict[str, str]]:
    """The arguments that track.launch.py gets for every camera."""
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    context = LaunchContext()
    context.launch_configurations.update(
        {
            argument.name: perform_substitutions(context, argument.default_value)
            for argument in cameras.generate_launch_description().get_launch_arguments()
        }
        | arguments
    )
    return [dict(include.launch_arguments) for include in cameras.cameras(context)]


def test_every_camera_has_a_namespace_and_topics_of_its_own(cameras):
    both = included(cameras, cameras="front, wrist/left", preset="grabcut")
    assert [item["namespace"] for item in both] == ["front", "wrist/left"]
    assert [item["image"] for item in both] == ["/front/image_raw", "/wrist/left/image_raw"]
    assert [item["camera_info"] for item in both] == ["/front/camera_info", "/wrist/left/camera_info"]
    assert {item["preset"] for item in both} == {"grabcut"}
    assert set(both[0]) <= set(DEFAULTS)


def test_every_camera_has_the_depth_of_its_own(cameras):
    both = included(
        cameras, depth="depth/image_rect", broadcast_tf="true", use_sim_time="true", autostart="false", respawn="true"
    )
    assert [item["depth"] for item in both] == ["/left/depth/image_rect", "/right/depth/image_rect"]
    assert all(item["broadcast_tf"] == item["use_sim_time"] == item["respawn"] == "true" for item in both)
    assert {item["autostart"] for item in both} == {"false"}
    assert [item["depth"] for item in included(cameras)] == ["", ""]


@pytest.mark.parametrize("names", ["", "left,", "left,left"])
def test_cameras_without_a_name_of_their_own_are_refused(cameras, names):
    with pytest.raises(ValueError, match="cameras: expected different namespaces"):
        included(cameras, cameras=names)


RVIZ_FILE = ROOT / "config/track.rviz"


def test_rviz_has_a_tool_for_each_kind_of_click():
    config = yaml.safe_load(RVIZ_FILE.read_text())["Visualization Manager"]
    tools = [tool for tool in config["Tools"] if tool["Class"] == "rviz_default_plugins/PublishPoint"]
    assert [tool["Topic"]["Value"] for tool in tools] == ["/clicked_point", "/sampt/clicked_background"]


def test_rviz_shows_what_the_node_publishes():
    config = yaml.safe_load(RVIZ_FILE.read_text())["Visualization Manager"]
    topics = {display["Topic"]["Value"] for display in config["Displays"] if "Topic" in display}
    assert {"/sampt/overlay", "/sampt/mask"} <= topics
