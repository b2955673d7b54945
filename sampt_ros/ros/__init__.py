"""The nodes, and the only place that knows ROS."""
