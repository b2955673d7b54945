"""The ROS 2 nodes. No other package depends on ROS."""
