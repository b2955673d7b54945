"""A page in the browser that shows a stream and takes clicks, whoever runs the stream. No ROS in it."""
