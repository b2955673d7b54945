"""`ros2 run sampt_ros web`: the web page for a running node.

It connects the web server, which is independent of ROS, with the node that receives what the page shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampt_ros.config.web import with_token
from sampt_ros.errors import SamPtError
from sampt_ros.ros.process import ros
from sampt_ros.ros.viewing.node import WebNode
from sampt_ros.utils.niceness import lower_priority


def main(args: Sequence[str] | None = None) -> int:
    """Serve the page until the process is interrupted; returns the exit status, 1 if the page cannot be served."""
    lower_priority()  # of the whole process: threads that start later inherit it
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
