"""The tabletop as a MuJoCo model: objects, plant, gripper, materials, lamps. Metres and degrees."""

from __future__ import annotations

import cv2
import motion
import mujoco
import numpy as np
import textures
from meshes import Mesh, lathe, leaf, rounded_box, smooth_profile, tube, turned
from motion import CAN_HEIGHT, CAN_RADIUS

OBJECTS = {
    1: "soup_can",
    2: "mug",
    3: "cereal_box",
    4: "baseball",
    5: "pear",
    6: "mustard_bottle",
    7: "screwdriver",
}
TWIN = {8: "soup_can_twin"}
MOVED, STATIC = 1, 2
FOVY = 38.0
SHINE = {
    "glaze": 0.5,
    "steel": 0.7,
    "lid": 0.6,
    "soup": 0.25,
    "mustard": 0.35,
    "shell": 0.3,
    "cap": 0.3,
    "pear": 0.12,
}


def _pictures(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """All textures by name; the order decides what each draws from `rng`."""
    return {
        "table": textures.wood(1024, 1536, 6, (112, 76, 48), (188, 142, 96), rng),
        "board": textures.wood(384, 768, 2, (86, 52, 32), (138, 90, 56), rng),
        "wall": textures.tiles(768, 1536, 8, 10, rng),
        "soup": textures.soup_label(rng),
        "glaze": textures.glaze(rng),
        "carton": textures.carton(rng),
        "ball": textures.baseball(rng),
        "pear": textures.pear_skin(rng),
        "mustard": textures.mustard_label(rng),
        "handle": textures.screwdriver_handle(rng),
        "leaf": textures.leaf_skin(rng),
        "steel": textures.mottled((178, 180, 184), 3, 20, rng),
        "lid": textures.lid(rng),
        "terracotta": textures.mottled((172, 100, 70), 7, 16, rng),
        "soil": textures.mottled((62, 46, 36), 16, 6, rng),
        "shell": textures.mottled((206, 207, 206), 1.5, 60, rng),
        "dark": textures.mottled((58, 60, 66), 3, 20, rng),
        "rubber": textures.mottled((34, 34, 36), 3, 10, rng),
        "cap": textures.mottled((158, 48, 36), 2, 30, rng),
        "stem": textures.mottled((88, 62, 40), 8, 12, rng),
        "card": textures.mottled((150, 116, 78), 9, 8, rng),
    }


def _object_shapes() -> dict[str, Mesh]:
    """The manipulable objects' meshes; profiles are (radius, height) from bottom to top."""
    r, h = CAN_RADIUS, CAN_HEIGHT
    bead = [(r - 0.0012, 0.0), (r + 0.0006, 0.0008), (r + 0.0008, 0.002), (r - 0.0004, 0.0034)]
    foot, bead_above = [(0.0, 0.001), (r - 0.0012, 0.0005)], [(q, h - z) for q, z in reversed(bead)]
    step = [(r - 0.0016, h - 0.0002), (r - 0.0024, h - 0.003)]
    lid = np.linspace((r - 0.0024, h - 0.003), (0.0, h - 0.003), 12)
    mug = [
        (0.030, 0.0),
        (0.0355, 0.002),
        (0.0375, 0.012),
        (0.040, 0.050),
        (0.0405, 0.092),
        (0.0395, 0.0945),
        (0.0378, 0.0925),
        (0.0370, 0.050),
        (0.034, 0.012),
        (0.022, 0.006),
        (0.0, 0.0055),
    ]
    bow = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 24)
    mug_grip = np.stack([0.038 + 0.030 * np.cos(bow) ** 0.8, 0 * bow, 0.050 + 0.026 * np.sin(bow)], -1)
    arc = np.linspace(-np.pi / 2, np.pi / 2, 60)
    pear = [
        (0.0, 0.003),
        (0.012, 0.0),
        (0.029, 0.010),
        (0.035, 0.030),
        (0.031, 0.050),
        (0.0205, 0.068),
        (0.0150, 0.080),
        (0.009, 0.086),
        (0.0, 0.0845),
    ]
    s = np.linspace(0, 1, 12)
    stem = np.stack([0.006 * s**2, 0 * s, 0.082 + 0.018 * s], -1)
    bottle = [
        (0.020, 0.0),
        (0.029, 0.002),
        (0.030, 0.010),
        (0.0295, 0.060),
        (0.030, 0.108),
        (0.026, 0.124),
        (0.015, 0.133),
    ]
    collar, shoulder = [(0.017, 0.130), (0.017, 0.146)], [(0.017, 0.146), (0.008, 0.149)]
    nozzle, tip = np.linspace((0.008, 0.149), (0.003, 0.176), 8), [(0.003, 0.176), (0, 0.177)]
    handle = [
        (0.0, 0.0),
        (0.010, 0.001),
        (0.0145, 0.012),
        (0.0125, 0.040),
        (0.0150, 0.070),
        (0.0110, 0.090),
        (0.0085, 0.096),
        (0.0, 0.099),
    ]
    rod, blade = [(0.0032, 0.09), (0.0032, 0.18)], np.linspace((0.0032, 0.18), (0.0012, 0.192), 5)
    return {
        "can_side": lathe(np.linspace((r - 0.0004, 0.003), (r - 0.0004, h - 0.003), 14)),
        "can_ends": turned(foot, bead, bead_above, step, lid),
        "mug": lathe(smooth_profile(mug, 120)),
        "mug_grip": tube(mug_grip, np.full(24, 0.0050), 1.5, v_range=(0.62, 0.86)),
        "carton": rounded_box((0.085, 0.029, 0.113), 0.002, 14),
        "ball": lathe(0.0365 * np.stack([np.cos(arc), 1 + np.sin(arc)], -1)),
        "pear": lathe(smooth_profile(pear, 90)),
        "pear_stem": tube(stem, 0.0016 + 0.0008 * s),
        "mustard": lathe(smooth_profile(bottle, 60)),
        "mustard_cap": turned(collar, shoulder, nozzle, tip),
        "handle": lathe(smooth_profile(handle, 60)),
        "shaft": turned(rod, blade, [(0.0012, 0.192), (0.0, 0.192)], segments=24),
    }


def _other_shapes() -> dict[str, Mesh]:
    """The plant, the boards and the gripper."""
    wall, band = np.linspace((0.034, 0.0), (0.046, 0.070), 8), [(0.050, 0.070), (0.051, 0.088)]
    return {
        "pot": turned(wall, band, [(0.051, 0.088), (0.045, 0.088)], [(0.045, 0.088), (0.044, 0.078)]),
        "soil": lathe(np.linspace((0.0445, 0.080), (0.0, 0.082), 8)),
        "leaf": leaf(0.105, 0.046, 0.030),
        "board": rounded_box((0.14, 0.009, 0.10), 0.006, 8),
        "palm": rounded_box((0.068, 0.026, 0.030), 0.012, 10),
        "finger": rounded_box((0.0055, 0.0095, 0.036), 0.003, 6),
        "knuckle": rounded_box((0.010, 0.014, 0.012), 0.003, 6),
        "pad": rounded_box((0.0012, 0.0085, 0.014), 0.001, 4),
        "card": rounded_box((0.085, 0.004, 0.10), 0.003, 10),
    }


def _geom(mesh: str, material: str, pose: str = "") -> str:
    return f'<geom type="mesh" mesh="{mesh}" material="{material}" {pose}/>'


def _plant() -> list[str]:
    """A pot with leaves on a spiral."""
    leaves = []
    for k in range(15):
        turn, rise, z = k * 137.5, 62 - 3.4 * k, 0.082 + 0.002 * (15 - k)
        leaves.append(_geom("leaf", "leaf", f'pos="0 0 {z:.4f}" euler="0 {-rise:.1f} {turn:.1f}"'))
    return [_geom("pot", "terracotta"), _geom("soil", "soil"), *leaves]


def _finger(side: str, sign: int) -> str:
    """One finger; its joint is the distance of its pad's surface from the middle."""
    return _body(
        f"finger_{side}",
        "",
        f'<joint name="finger_{side}" type="slide" axis="{sign} 0 0"/>',
        '<inertial mass="0.1" pos="0 0 0" diaginertia="1e-3 1e-3 1e-3"/>',
        _geom("finger", "dark", f'pos="{sign * 0.0077} 0 0.024"'),
        _geom("knuckle", "dark", f'pos="{sign * 0.0110} 0 0.064"'),
        _geom("pad", "rubber", f'pos="{sign * 0.0011} 0 0.003"'),
    )


def _gripper() -> str:
    """A wrist, a palm and two fingers that slide along x; the origin lies between the finger tips."""
    return _body(
        "hand",
        'mocap="true"',
        _geom("palm", "shell", 'pos="0 0 0.104"'),
        '<geom type="box" size="0.064 0.0185 0.004" pos="0 0 0.0755" material="dark"/>',
        '<geom type="cylinder" size="0.0265 0.008" pos="0 0 0.138" material="dark"/>',
        '<geom type="cylinder" size="0.0272 0.0014" pos="0 0 0.1405" rgba="0.16 0.55 0.62 1"/>',
        '<geom type="cylinder" size="0.030 0.030" pos="0 0 0.178" material="shell"/>',
        '<geom type="sphere" size="0.034" pos="0 0 0.215" material="shell"/>',
        '<geom type="capsule" size="0.030" fromto="0 0 0.215 0.05 0.16 0.46" material="shell"/>',
        _finger("left", -1),
        _finger("right", 1),
    )


def _body(name: str, pose: str, *geoms: str) -> str:
    return f'<body name="{name}" {pose}>{"".join(geoms)}</body>'


def _bodies(twin: bool, card: bool) -> str:
    """All bodies but the world's own table and wall."""
    can = _geom("can_side", "soup", 'euler="0 0 95"') + _geom("can_ends", "lid")
    tool = [_geom("handle", "handle"), _geom("shaft", "steel")]
    cup = [_geom("mug", "glaze"), _geom("mug_grip", "glaze")]
    fruit = [_geom("pear", "pear"), _geom("pear_stem", "stem")]
    bottle = [_geom("mustard", "mustard"), _geom("mustard_cap", "cap")]
    bodies = [
        _body("soup_can", 'mocap="true"', can),
        _gripper(),
        _body("mug", 'pos="-0.020 0.055 0" euler="0 0 -18"', *cup),
        _body("cereal_box", 'pos="-0.165 0.185 0.113" euler="0 0 14"', _geom("carton", "carton")),
        _body("baseball", 'pos="0.275 -0.010 0" euler="0 0 60"', _geom("ball", "ball")),
        _body("pear", 'pos="0.215 0.120 0" euler="0 0 150"', *fruit),
        _body("mustard_bottle", 'pos="0.105 0.165 0" euler="0 0 95"', *bottle),
        _body("screwdriver", 'pos="0.110 -0.165 0.0146" euler="-89.5 0 42"', *tool),
        _body("plant", 'pos="0.335 0.300 0"', *_plant()),
        _body("board", 'pos="0.06 0.372 0.102" euler="-14 0 0"', _geom("board", "board")),
    ]
    if twin:
        bodies.append(_body("soup_can_twin", 'pos="0.300 0.165 0" euler="0 0 8"', can))
    if card:
        bodies.append(_body("card", 'mocap="true"', _geom("card", "card")))
    return "\n".join(bodies)


def build(seed: int, twin: bool, card: bool, size: tuple[int, int]) -> mujoco.MjModel:
    """Return the model; `size` is the largest (width, height) that will be rendered, pixels."""
    assets, declared = {}, []
    for name, picture in _pictures(np.random.default_rng(seed)).items():
        assets[f"{name}.png"] = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
        specular, shininess = (SHINE[name], 0.75) if name in SHINE else (0.05, 0.1)
        shine = f'specular="{specular}" shininess="{shininess}"'
        declared.append(f'<texture name="{name}" type="2d" file="{name}.png"/>')
        declared.append(f'<material name="{name}" texture="{name}" {shine}/>')
    for name, shape in (_object_shapes() | _other_shapes()).items():
        assets[f"{name}.obj"] = shape.to_obj()
        declared.append(f'<mesh name="{name}" file="{name}.obj" inertia="shell"/>')
    xml = f"""<mujoco model="tabletop">
      <compiler angle="degree" eulerseq="XYZ"/>
      <statistic center="0 0 0.05" extent="0.6"/>
      <visual><global offwidth="{size[0]}" offheight="{size[1]}" fovy="{FOVY}"/>
        <quality shadowsize="2048" offsamples="0"/><map znear="0.05" zfar="10" shadowclip="1"/>
        <headlight ambient="0.1 0.1 0.1" diffuse="0 0 0" specular="0 0 0"/></visual>
      <default><geom contype="0" conaffinity="0"/></default>
      <asset>{"".join(declared)}</asset>
      <worldbody>
        <geom name="table" type="plane" size="0.75 0.5 0.1" pos="0 -0.1 0" material="table"/>
        <geom name="wall" type="plane" size="1.0 0.5 0.1" pos="0 0.4 0.5" euler="90 0 0" material="wall"/>
        <camera name="camera" fovy="{FOVY}"/>
        {"".join(f'<light name="lamp{k}" directional="true"/>' for k in range(6))}
        {_bodies(twin, card)}
      </worldbody></mujoco>"""
    return mujoco.MjModel.from_xml_string(xml, assets)


def place(model: mujoco.MjModel, data: mujoco.MjData, time: float, hidden: float) -> None:
    """Put the gripper, the can, the card and the camera where they are at `time`."""
    poses = {"hand": motion.hand_pose(time), "soup_can": motion.can_pose(time)}
    if hidden:
        poses["card"] = motion.card_pose(time, hidden), motion.quaternion(0.0)
    for name, (position, turn) in poses.items():
        mocap = model.body(name).mocapid[0]
        data.mocap_pos[mocap], data.mocap_quat[mocap] = position, turn
    for side in ("left", "right"):
        data.joint(f"finger_{side}").qpos = motion.track("gap", time) / 2
    position, rotation = motion.camera_pose(time)
    model.camera("camera").pos = position
    mujoco.mju_mat2Quat(model.camera("camera").quat, rotation.ravel())
    mujoco.mj_forward(model, data)
