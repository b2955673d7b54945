"""Grasps what a detector has found: asks for the object in a box, waits for its 3D position, and lets it go again.

python examples/grasp.py 300 200 60 80    # a box: left, top, width, height in pixels of the newest image
"""

import math
import sys

import rclpy
from rclpy.node import Node
from rclpy.task import Future
from sampt_ros.msg import QueryPoints, TrackedObject, TrackedObjects
from sampt_ros.srv import Query
from sensor_msgs.msg import RegionOfInterest


class Grasp(Node):
    def __init__(self) -> None:
        super().__init__("grasp")
        self._query = self.create_client(Query, "/sampt/query")
        self._wanted = 0  # id of the object to be grasped
        self._found: Future[TrackedObject] = Future()
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_objects, 5)

    def track(self, box: RegionOfInterest) -> bool:
        """Start tracking what is in a box; says why where that is refused."""
        answer = self.ask(QueryPoints(box=box))
        self.get_logger().info(answer.message)
        self._wanted = answer.object_id
        return bool(answer.success)

    def position(self) -> tuple[float, float, float]:
        """Where the object is, metres in the camera's optical frame; waits until depth shows it."""
        rclpy.spin_until_future_complete(self, self._found)
        center = self._found.result().pose.position
        return center.x, center.y, center.z

    def release(self) -> None:
        """Stop tracking it."""
        self.ask(QueryPoints(action=QueryPoints.REMOVE, object_id=self._wanted))

    def ask(self, query: QueryPoints) -> Query.Response:
        """Ask, and wait for the answer."""
        self._query.wait_for_service()
        answered = self._query.call_async(Query.Request(query=query))
        rclpy.spin_until_future_complete(self, answered)
        return answered.result()

    def on_objects(self, message: TrackedObjects) -> None:
        for item in message.objects:
            is_shown = item.id == self._wanted and not math.isnan(item.pose.position.x)
            if is_shown and not self._found.done():
                self._found.set_result(item)


if __name__ == "__main__":
    rclpy.init()
    grasp = Grasp()
    left, top, width, height = map(int, sys.argv[1:5])
    if grasp.track(RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height)):
        print("grasp at {:.3f} {:.3f} {:.3f} m".format(*grasp.position()))  # here your arm moves
        grasp.release()
