"""SAM-PT as a real-time ROS 2 stream: points in, masks out."""
