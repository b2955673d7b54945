"""Rendered scenes for training and validation."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is imported.
