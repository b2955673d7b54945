"""Recorded bags, read and written without ROS."""
