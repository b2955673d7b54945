"""The small network whose weights are in the package."""
