"""Renders random tabletop, shelf and floor scenes with labels, as training sequences of the nano segmenter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import mujoco
import numpy as np
from tqdm import tqdm

from training.nano.pictures.sources import ARMS
from training.nano.scenes.arms import Arms
from training.nano.scenes.physics import enacted
from training.nano.scenes.scanned import Scans
from training.nano.scenes.shapes import Mesh, Paint, Painter
from training.nano.scenes.shots import Shot, posed
from training.nano.scenes.solids import Solid
from training.nano.scenes.tabletop import Item, Pace, Place, add_lights, make_items, make_place
from training.nano.sequence import Sequence, write_sequence

WIDTH, HEIGHT, ATTEMPTS = 416, 312, 40
_TWO = Pace(2, 4.0)  # Single frames are drawn from these: two that differ much are enough.
LEAST_PIXELS = 80  # An object with less pixels in the first frame is too small to be clicked.


class Builder:
    """Builds a MuJoCo model from solids, in which each mesh and each material is contained once."""

    def __init__(self) -> None:
        self.spec = mujoco.MjSpec()
        self._names: dict[int, str] = {}
        self._keep: list[object] = []  # Keeps the objects alive, because ids of deleted objects are used again.

    def add(self, name: str, solid: Solid) -> None:
        """Add a body with these meshes at the world's origin."""
        body = self.spec.worldbody.add_body(name=name)
        for mesh, paint in solid:
            geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, contype=0, conaffinity=0)
            geom.meshname, geom.material = self._mesh(mesh), self._material(paint)

    def _mesh(self, mesh: Mesh) -> str:
        if id(mesh) not in self._names:
            self._names[id(mesh)] = name = f"mesh{len(self._names)}"
            self._keep.append(mesh)
            new = self.spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
            new.uservert, new.userface = mesh.vertices.ravel(), mesh.faces.ravel()
            new.usertexcoord, new.userfacetexcoord = mesh.uv.ravel(), mesh.faces.ravel()
        return self._names[id(mesh)]

    def _material(self, paint: Paint) -> str:
        if id(paint) not in self._names:
            self._names[id(paint)] = name = f"paint{len(self._names)}"
            self._keep.append(paint)
            material = self.spec.add_material(name=name, specular=paint.specular, shininess=paint.shininess)
            material.reflectance = paint.reflectance
            if paint.texture is None:
                material.rgba = [*paint.rgb, 1.0]
            else:
                self._texture(name, paint.texture)
                material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        return self._names[id(paint)]

    def _texture(self, name: str, picture: np.ndarray) -> None:
        texture = self.spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
        texture.height, texture.width = picture.shape[:2]
        texture.data = np.ascontiguousarray(picture).tobytes()


class Studio:
    """Renders models off screen, all with the same OpenGL context."""

    def __init__(self) -> None:
        self._gl = mujoco.GLContext(WIDTH, HEIGHT)
        self._gl.make_current()
        self._rgb = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        self._view = mujoco.MjrRect(0, 0, WIDTH, HEIGHT)

    def load(self, model: mujoco.MjModel, labels: np.ndarray) -> None:
        """Use this model; labels: (ngeom,) uint8, the label of each of its geoms."""
        self._model, self._data, self._labels = model, mujoco.MjData(model), labels
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene, self._option = mujoco.MjvScene(model, 300), mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0

    def unload(self) -> None:
        """Free the model's resources in OpenGL."""
        self._context.free()

    def pose(self, items: list[Item], camera: tuple[np.ndarray, np.ndarray], frame: int) -> None:
        """Set the poses of the items and of the camera in this frame; body 1 is the fixed one, items follow."""
        for k, item in enumerate(items):
            rotation, self._model.body_pos[k + 2] = item.poses[frame]
            mujoco.mju_mat2Quat(self._model.body_quat[k + 2], rotation.ravel())
        self._model.cam_pos[0] = camera[0]
        mujoco.mju_mat2Quat(self._model.cam_quat[0], camera[1].ravel())
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        every = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, mujoco.MjvPerturb(), self._camera, every, self._scene
        )

    def _draw(self, segment: bool) -> np.ndarray:
        for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
            self._scene.flags[flag] = segment
        mujoco.mjr_render(self._view, self._scene, self._context)
        mujoco.mjr_readPixels(self._rgb, None, self._view, self._context)
        return self._rgb[::-1]

    def labels(self) -> np.ndarray:
        """Return the (HEIGHT, WIDTH) uint8 label image of the posed scene."""
        picture = self._draw(segment=True).astype(np.int32)
        # The colour of a pixel is 1 + the index of its geom in the scene's list, or 0 if there is nothing.
        table = np.zeros(self._scene.ngeom + 1, np.uint8)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                table[geom.segid + 1] = self._labels[geom.objid]
        return table[picture[..., 0] + (picture[..., 1] << 8) + (picture[..., 2] << 16)]

    def color(self, rng: np.random.Generator, softness: float, passes: int) -> np.ndarray:
        """Return the image (HEIGHT, WIDTH, 3) float32 RGB, 0 to 255.

        softness  standard deviation of the lamps' positions over the passes, metres
        passes    number of renderings that are averaged, which makes shadows softer
        """
        total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        lights = [light for light in self._scene.lights[: self._scene.nlight] if not light.headlight]
        middle = [(light.pos.copy(), light.dir.copy()) for light in lights]
        for shake in rng.normal(0, softness, (passes, 3)):
            for light, (position, direction) in zip(lights, middle):
                light.pos[:] = position + shake
                light.dir[:] = direction - shake / np.linalg.norm(position)
                light.dir /= np.linalg.norm(light.dir)
            total += self._draw(segment=False)
        return total / passes


class Lens:
    """The random properties of a clip's camera: exposure, white balance, vignette, blur, noise."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, u = rng, rng.uniform
        self._target, self._gain = u(0.26, 0.56), 0.0
        self._balance = np.exp(rng.normal(0, 0.07, 3))
        self._gamma, self._lift = np.exp(rng.normal(-0.12, 0.14)), u(0, 0.05)
        self._noise, self._vignette = abs(rng.normal(0, 4.0)), u(0, 0.22)
        self._defocus = u(0.4, 1.1) if u() < 0.3 else 0.0
        self._motion = u(2, 9) if u() < 0.35 else 0.0

    def shoot(self, picture: np.ndarray) -> np.ndarray:
        """Return the rendered image (HEIGHT, WIDTH, 3) float32, 0 to 255, as this camera takes it, as uint8."""
        rng, value = self._rng, np.clip(picture / 255, 0, 1)
        if not self._gain:
            # The first frame sets the exposure, which corrects the scene's brightness mostly, but not fully.
            self._gain = float((self._target / max(value.mean(), 0.02)) ** rng.uniform(0.6, 1.0))
        if self._motion and rng.random() < 0.6:
            length, angle = self._motion * rng.uniform(0.5, 1), rng.uniform(0, np.pi)
            kernel = np.zeros((11, 11), np.float32)
            for t in np.linspace(-0.5, 0.5, 41) * length:
                kernel[round(5 + t * np.sin(angle)), round(5 + t * np.cos(angle))] += 1
            value = cv2.filter2D(value, -1, kernel / kernel.sum())
        if self._defocus:
            value = cv2.GaussianBlur(value, (0, 0), self._defocus)
        y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
        value = value * (self._gain * np.exp(rng.normal(0, 0.03)) * self._balance).astype(np.float32)
        value = value * (1 - self._vignette * (x * x + y * y) / 2)[..., None]
        value = np.clip(value + self._lift, 0, 1.2) ** self._gamma
        # Highlights are compressed, as in a real sensor's response.
        value = np.where(value > 0.8, 0.8 + 0.2 * np.tanh((value - 0.8) / 0.2), value)
        noise = rng.standard_normal(value.shape, np.float32) * self._noise * (0.5 + 0.8 * np.sqrt(value))
        return np.clip(255 * value + noise, 0, 255).astype(np.uint8)


def build(place: Place, items: list[Item], p: Painter, fov: float) -> mujoco.MjModel:
    """Return the model with one camera; body 1 is what is fixed, followed by one body for each item.

    fov: vertical field of view, degrees
    """
    builder = Builder()
    spec = builder.spec
    builder.add("fixed", place.fixed)
    for k, item in enumerate(items):
        builder.add(f"item{k}", item.solid)
    add_lights(p, spec, place)
    spec.worldbody.add_camera(name="camera", fovy=fov)
    spec.stat.center, spec.stat.extent = [0, 0, 0.05], 1.0
    spec.visual.map.znear, spec.visual.map.zfar, spec.visual.map.shadowclip = 0.02, 12.0, 1.0
    spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 1024, 4
    spec.visual.global_.offwidth, spec.visual.global_.offheight = WIDTH, HEIGHT
    return spec.compile()


def usable(labels: np.ndarray, count: int, arm: int) -> bool:
    """Return whether labels (frames, H, W) show enough: two of `count` objects in the first frame, and background.

    arm: label of the gripper, which must not cover too much; 0 without one
    """
    sizes = np.stack([np.bincount(image.ravel(), minlength=256) for image in labels]) / labels[0].size
    seen = (sizes[0, 1 : count + 1] * labels[0].size >= LEAST_PIXELS).sum()
    arm_most = sizes[:, arm].max() if arm else 0.0
    return bool(seen >= 2 and arm_most < 0.4 and sizes[:, 0].min() > 0.12 and sizes[:, 1:].max() < 0.6)


Direction = Callable[[Painter, Place, list[Item], Pace, Arms | None], Shot | None]  # See `posed`.


def render_scene(
    studio: Studio,
    photos: list[Path],
    scans: Scans | None,
    arms: Arms | None,
    seed: list[int],
    time: Pace | None = None,
    direct: Direction = posed,
) -> tuple[Sequence, int]:
    """Return a random scene, and the id of the object that a gripper holds or points at, 0 without a gripper.

    Equal seeds give equal scenes. Raises RuntimeError if no attempt gave a usable scene.

    photos  pictures for textures
    scans   scanned objects, or None for procedural ones only
    arms    models of real arms, or None for procedural grippers only
    direct  what moves the objects and the camera
    """
    time = time or Pace()
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([*seed, attempt])
        p = Painter(rng, photos)
        place = make_place(p)
        shot = direct(p, place, make_items(p, place, scans), time, arms)
        if shot is None:
            continue
        model = build(place, shot.everything, p, shot.fov)
        studio.load(model, np.maximum(model.geom_bodyid - 1, 0).astype(np.uint8))
        sequence = _filmed(studio, shot, rng)
        studio.unload()
        if sequence:
            return sequence, shot.hand.near + 1 if shot.hand else 0
    raise RuntimeError(f"scene {seed}: none of {ATTEMPTS} attempts shows two objects")


def _filmed(studio: Studio, shot: Shot, rng: np.random.Generator) -> Sequence | None:
    """The frames of the loaded scene with their labels; None if they do not show enough."""
    softness, passes = rng.uniform(0, 0.04), 1 + int(rng.random() < 0.3)
    labels = []
    for frame, camera in enumerate(shot.cameras):
        studio.pose(shot.everything, camera, frame)
        labels.append(studio.labels())
    if not usable(np.stack(labels), len(shot.items), len(shot.everything) if shot.hand else 0):
        return None
    lens, images = Lens(rng), []
    for frame, camera in enumerate(shot.cameras):
        studio.pose(shot.everything, camera, frame)
        images.append(lens.shoot(studio.color(rng, softness, passes)))
    return Sequence(images, labels)


def render_scenes(work: Path, objects: Path, kind: str, count: int, seed: int, part: tuple[int, int] = (0, 1)) -> None:
    """Write work/sequences/KIND/NNNNN.npz for every number below `count`; existing files are kept.

    A scene depends on the seed, its number, the scanned objects, and the pictures in work/cutouts and work/backgrounds.

    kind  "rendered": eight frames, objects move along paths; "simulated": two frames, as bodies do, and objects vary
    part  (k, n): only each nth of the files that are missing, from the kth on
    """
    files = {index: work / "sequences" / kind / f"{index:05d}.npz" for index in range(count)}
    missing = [index for index, file in files.items() if not file.exists()][part[0] :: part[1]]
    if not missing:
        return
    photos = sorted(work.glob("cutouts/**/*.png")) + sorted(work.glob("backgrounds/**/*.jpg"))
    is_simulated = kind == "simulated"
    time, direct = (_TWO, enacted) if is_simulated else (Pace(), posed)
    scans, arms = Scans(objects, varied=is_simulated), Arms(work / "downloads" / ARMS)
    print(f"{len(photos)} photographs for textures, {len(scans.names)} scanned objects", flush=True)
    studio = Studio()
    for index in tqdm(missing, kind, unit="scene"):
        write_sequence(files[index], render_scene(studio, photos, scans, arms, [seed, index], time, direct)[0])
