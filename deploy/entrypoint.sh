#!/bin/bash
# Runs a command with ROS and the package sourced.
set -e
# shellcheck source=/dev/null
source "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck source=/dev/null
source /opt/sampt_ros/setup.bash
exec "$@"
