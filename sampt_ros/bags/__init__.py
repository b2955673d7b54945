"""Reading, tracking through and writing ROS 2 bags, without ROS."""
