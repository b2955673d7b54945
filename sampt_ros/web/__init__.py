"""A page in the browser that shows a stream and takes clicks. It knows no ROS: a Backend runs the stream."""
