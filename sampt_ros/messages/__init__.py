"""The content of messages, independent of whether their classes are those of ROS or of rosbags."""
