"""Makes solids of robot arms with grippers for render.py, from MuJoCo models of real arms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from training.nano.scenes.shapes import Mesh, Paint, Painter
from training.nano.scenes.solids import Solid

_ROBOTS = ("panda", "ur5e")
_GRIPPER = "panda_gripper"
_HAND, _TIP, _FINGERS = "right_hand", "grip_site", ("leftfinger", "rightfinger")  # Names in these models.
_COARSE = 0  # The group of geoms for contacts, which have few faces.
_COLORS = (
    (0.9, 0.9, 0.9),
    (0.75, 0.76, 0.78),
    (0.15, 0.15, 0.16),
    (0.9, 0.45, 0.1),
    (0.2, 0.35, 0.6),
    (0.8, 0.75, 0.2),
)


class Arms:
    """The robot arms in a folder of models; each model is read when it is first used."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._known: dict[Path, mujoco.MjModel] = {}

    def draw(self, p: Painter, gap: float) -> Solid:
        """A random arm in a random pose: its finger tips are at the origin, `gap` metres apart in x, the arm above."""
        rng = p.rng
        robot = self._model(self._models / "robots" / _ROBOTS[int(rng.integers(len(_ROBOTS)))] / "robot.xml")
        gripper = self._model(self._models / f"grippers/{_GRIPPER}.xml")
        hand = _posed(robot, np.clip(robot.jnt_range.mean(1), -1.8, 1.8) + rng.normal(0, 0.4, robot.nq))
        grip = _posed(gripper, np.clip(np.sign(gripper.jnt_range.sum(1)) * gap / 2, *gripper.jnt_range.T))
        to_tips = _upright(gripper, grip)
        # The gripper's frame equals the frame of the hand; the arm's parts are converted into it.
        at = hand.body(_HAND)
        into_hand = _Placing(at.xmat.reshape(3, 3).T, -at.xmat.reshape(3, 3).T @ at.xpos)
        shell, dark = (_paint(rng) for _ in range(2))
        parts = [
            (mesh, shell if rng.random() < 0.75 else dark) for mesh in _meshes(robot, hand, into_hand.then(to_tips))
        ]
        return parts + [(mesh, dark) for mesh in _meshes(gripper, grip, to_tips)]

    def _model(self, path: Path) -> mujoco.MjModel:
        if path not in self._known:
            self._known[path] = mujoco.MjModel.from_xml_path(str(path))
        return self._known[path]


@dataclass(frozen=True, eq=False)
class _Placing:
    """A rigid transform: a rotation (3, 3), then a shift (3,) in metres."""

    rotation: np.ndarray
    shift: np.ndarray

    def then(self, other: _Placing) -> _Placing:
        return _Placing(other.rotation @ self.rotation, other.rotation @ self.shift + other.shift)


def _posed(model: mujoco.MjModel, joints: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = joints
    mujoco.mj_kinematics(model, data)
    return data


def _upright(model: mujoco.MjModel, data: mujoco.MjData) -> _Placing:
    """The transform after which a gripper's tips are at the origin, its fingers apart in x, and its hand above."""
    tip = data.site(_TIP)
    up = -tip.xmat.reshape(3, 3)[:, 2]
    middles = [
        data.xpos[model.body(name).id] + data.xmat[model.body(name).id].reshape(3, 3) @ _middle(model, name)
        for name in _FINGERS
    ]
    across = middles[1] - middles[0]
    across = across - up * (across @ up)
    across /= np.linalg.norm(across)
    rotation = np.stack([across, np.cross(up, across), up])
    return _Placing(rotation, -rotation @ tip.xpos)


def _middle(model: mujoco.MjModel, body: str) -> np.ndarray:
    """(3,) the mean position of a body's geoms, in the body's frame."""
    geoms = np.flatnonzero(model.geom_bodyid == model.body(body).id)
    middle: np.ndarray = model.geom_pos[geoms].mean(0)
    return middle


def _meshes(model: mujoco.MjModel, data: mujoco.MjData, placing: _Placing) -> list[Mesh]:
    meshes = []
    for geom in range(model.ngeom):
        mesh = model.geom_dataid[geom]
        if mesh < 0 or model.geom_group[geom] != _COARSE:
            continue
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        own = model.mesh_vert[first : first + count].astype(float)
        turned = own @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        faces = model.mesh_face[first : first + count].astype(np.int64)
        placed = turned @ placing.rotation.T + placing.shift
        meshes.append(Mesh(placed, np.zeros((len(placed), 2)), faces))
    return meshes


def _paint(rng: np.random.Generator) -> Paint:
    color = np.clip(np.array(_COLORS[int(rng.integers(len(_COLORS)))]) + rng.normal(0, 0.04, 3), 0.02, 1)
    return Paint(color, None, rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.8))
