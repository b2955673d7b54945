"""`ros2 run sampt_ros web`: the page in the browser for a running node.

It joins what do not know each other: the page, which knows no ROS, and the node that hears what is shown there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampt_ros.config.web import with_token
from sampt_ros.errors import SamPtError
from sampt_ros.ros.process import ros
from sampt_ros.ros.viewing.node import WebNode
from sampt_ros.utils.niceness import stand_back


def main(args: Sequence[str] | None = None) -> int:
    """Serve the page until the process is interrupted; the exit status, 1 if that is not possible."""
    stand_back()  # the whole process: threads that start later follow
    with ros(args):
        node = WebNode()
        try:
            from sampt_ros.web.server import WebServer

            with WebServer(node, with_token(node.config)) as server:
                node.get_logger().info(f"the page is at {server.url}")
                node.spin()
        except ImportError as error:
            node.get_logger().error(f"expected aiohttp (apt install python3-aiohttp, or pip install aiohttp): {error}")
            return 1
        except SamPtError as error:
            node.get_logger().error(str(error))
            return 1
    return 0
