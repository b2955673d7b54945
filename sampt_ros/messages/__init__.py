"""What a message holds, whoever's classes it is made of: ROS's or rosbags'."""
