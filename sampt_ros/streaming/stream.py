"""One camera's stream, live or recorded: events go in, tracked frames come out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from sampt_ros.config.node import NodeConfig
from sampt_ros.data_types import POSITIVE, FrameResult
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.streaming.clicks import Clicks, NoTransforms, Transforms
from sampt_ros.streaming.continuity import Change
from sampt_ros.streaming.depth_queue import DepthQueue, LoadDepth, RecordedWaiting, WaitingPolicy
from sampt_ros.streaming.failures import Attempt, Failures
from sampt_ros.streaming.requests import Action, Answer, ObjectStart, Reference, Request
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.tracked_frame import ImageEvent, TrackedFrame
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.log_once import LogOnce

_log = logging.getLogger(__name__)


class Stream:
    """Tracks objects through a camera's images, for the node, for bags and for videos alike.

        stream.query(load_request)
        if (frame := stream.image(event)) is not None:
            ...                                # masks are there
        for frame in stream.settled():
            ...                                # frame.surfaces too, where there is depth

    Each event is worked on behind one boundary (see Failures): one that fails is dropped, counted and told, and the
    next one is worked on. All events but depth are to come from one thread.

    session, depth_queue, clicks, failures  what it is made of
    """

    def __init__(
        self,
        sam_pt: SamPt,
        options: NodeConfig,
        failures: Failures,
        waiting: WaitingPolicy,
        expects_depth: bool = False,
        transforms: Transforms | None = None,
        camera_hint: str = "",
        starts: Mapping[int, ObjectStart] | None = None,
    ) -> None:
        """waiting: how long a frame waits for its depth; starts: by id, the objects of a recording, which say where."""
        self.failures = failures
        self.session = Session(sam_pt, options.history)
        self.depth_queue = DepthQueue(waiting, self.failures, options.history, expects_depth)
        transforms = transforms or NoTransforms("transforms are not known here")
        self.clicks = Clicks(self.session, self.depth_queue, transforms, camera_hint)
        self.options = options
        self._starts = dict(starts or {})
        self._references: dict[int, Reference] = {}  # by object id

    @classmethod
    def of_recording(
        cls,
        sam_pt: SamPt,
        starts: Mapping[int, ObjectStart],
        options: NodeConfig | None = None,
        expects_depth: bool = False,
        no_transforms: str = "transforms are not read",
        camera_hint: str = "",
    ) -> Stream:
        """A stream for a bag or a video: every frame counts, and a warning of one kind is told once.

        no_transforms: why there are no transforms; camera_hint: how to name the CameraInfo; both for people.
        """
        options = options or NodeConfig()
        return cls(
            sam_pt,
            options,
            Failures(StreamStatistics(), LogOnce(_log)),
            RecordedWaiting(round(options.depth_slop * 1e9)),
            expects_depth,
            transforms=NoTransforms(no_transforms),
            camera_hint=camera_hint,
            starts=starts,
        )

    @property
    def options(self) -> NodeConfig:
        """What may change while the stream runs."""
        return self._options

    @options.setter
    def options(self, options: NodeConfig) -> None:
        self._options = options
        self.session.history = self.depth_queue.history = options.history

    @property
    def statistics(self) -> StreamStatistics:
        """What came in, what went out, what was refused and why."""
        return self.failures.statistics

    # --- images ---

    def image(self, event: ImageEvent) -> TrackedFrame | None:
        """Track all objects to the next image; None if the image cannot be used.

        Where the image is good and the computation fails, the frame is marked as failed and has no masks. An object
        of `starts` that cannot be started on its image is told and refused; on the first one QueryError is raised.
        """
        image, frame, change = None, None, None
        with self.failures.frame(f"{event.name} is rejected") as attempt:
            image = event.load()
            change = self.session.observe(event.stamp_ns, image)
            self._follow(event, change)
            frame = TrackedFrame(event, image, self.session.step(event.stamp_ns, image), change=change)
        if frame is not None:
            frame = replace(frame, result=self._begun(frame.result, event.number))
        elif image is not None and not isinstance(attempt.error, FrameError):
            known = self.session.failed or FrameResult(0, image.shape[:2])
            frame = TrackedFrame(event, image, known, change=change, failed=True)
        if frame is not None:
            self.depth_queue.add_frame(frame)
        return frame

    def skip(self, event: ImageEvent) -> None:
        """An image that is not tracked, since a newer one is there already; a query may still name it."""
        with self.failures.task(f"{event.name} is not kept for late queries"):
            self.session.remember(event.stamp_ns, event.load)

    def settled(self) -> Iterator[TrackedFrame]:
        """The frames that need not wait for depth any longer, in order; without depth their `surfaces` are None."""
        return self.depth_queue.settled()

    def rest(self) -> Iterator[TrackedFrame]:
        """All frames that are left: nothing more comes."""
        return self.depth_queue.rest()

    def refuse_unstarted(self) -> None:
        """Tell and count the objects of a recording whose image did not come, at its end."""
        for name, start in self._starts.items():
            with self.failures.query(f"object {name} is not started"):
                raise QueryError(f"expected it on image {start.frame}, which is not there, or was dropped")
        self._starts = {}

    # --- what is seen beside the images ---

    def camera(self, load: Callable[[], Pinhole]) -> Attempt:
        """The camera of the images, from here on."""
        with self.failures.camera() as attempt:
            camera = load()
            self.depth_queue.set_camera(camera)
            if not camera.looks_forward:
                x, y = camera.K[:2, 2]
                self.failures.log.repeated(
                    f"the CameraInfo's principal point ({x:g}, {y:g}) is not inside its {camera.width}x{camera.height} "
                    "images, as of an uncalibrated camera or another resolution: 3D may be wrong"
                )
        self.depth_queue.camera_trouble = attempt.reason
        return attempt

    def depth(self, time_ns: int, load: LoadDepth) -> None:
        """A depth image of this time, registered to the images; which image it belongs to is for the queue to say."""
        self.depth_queue.note_depth(time_ns)
        self.depth_queue.add_depth(time_ns, load)

    # --- what people ask for ---

    def query(self, load: Callable[[], Request], frame_id: str = "") -> Attempt:
        """Start, correct, restart or remove an object; frame_id: that of the query's header."""
        with self.failures.query() as attempt:
            if self.session.has_images and frame_id not in ("", self.clicks.frame_id):
                raise QueryError(f"expected frame_id {self.clicks.frame_id!r}; got {frame_id!r}")
            request = load()
            attempt.answer = self._done(self.session.answer(request))
            if request.action != Action.ADD:
                self._references.pop(request.object_id, None)
        return attempt

    def reference(self, load: Callable[[], Reference]) -> Attempt:
        """Look for an object that is known from a picture, from now on, and again when all objects were dropped.

        The same reference again, as a latched message comes to whoever begins to listen, changes nothing while its
        object is there.
        """
        with self.failures.query("the reference is refused") as attempt:
            reference = load()
            name = reference.object_id
            if name in self.session.sam_pt.object_ids and reference.is_same(self._references.get(name)):
                self.failures.log.info(f"object {name}: looked for already")
                return attempt
            attempt.answer = self._done(self.session.refer(reference))
            self._references[name] = reference
        return attempt

    def click_in_view(self, x: float, y: float) -> Attempt:
        """A positive click in an image view, in pixels of the newest image."""
        with self.failures.query("the click is refused") as attempt:
            click = self.session.click(self.clicks.in_view(x, y), POSITIVE, self._extends)
            attempt.answer = self._done(click)
        return attempt

    def click_in_space(self, label: int, xyz: np.ndarray, frame_id: str, load_stamp_ns: Callable[[], int]) -> Attempt:
        """A click at a point (3,), metres in frame `frame_id`, on the image that was current at a stamp.

        label: POSITIVE or NEGATIVE; load_stamp_ns: the stamp in nanoseconds, 0 for the newest image.
        """
        with self.failures.query("the click is refused") as attempt:
            xy, stamp_ns = self.clicks.in_space(xyz, frame_id, load_stamp_ns(), self._options.tf_timeout)
            attempt.answer = self._done(self.session.click(xy, label, self._extends, stamp_ns))
        return attempt

    def reset(self) -> None:
        """Drop all objects; ids begin anew. References are looked for again."""
        self.session.reset()
        self.failures.log.info("reset: all objects are dropped")
        self._look_again()

    # --- its own ---

    @property
    def _extends(self) -> bool:
        """Whether a positive click beside all masks extends the object that was clicked last."""
        return self._options.clicks == "last_object"

    def _done(self, answer: Answer) -> Answer:
        self.failures.log.info(answer.text)
        self.statistics.count("queries_accepted")
        return answer

    def _look_again(self) -> None:
        """Look for what is known from pictures, where its object was dropped."""
        for name, reference in self._references.items():
            if name in self.session.sam_pt.object_ids:
                continue
            with self.failures.query("a reference is not looked for again"):
                self.failures.log.info(self.session.refer(reference).text)

    def _begun(self, result: FrameResult, number: int) -> FrameResult:
        """The result of a recording's frame with the objects that start there.

        Those of frame 0 start on the first frame that can be used.
        """
        due = {name: start for name, start in self._starts.items() if start.frame in (0, number)}
        if not due:
            return result
        for name, start in due.items():
            del self._starts[name]
            if start.frame == 0:
                if number:
                    self.failures.log.warning(f"object {name} starts on image {number}, the first that can be used")
                self._done(self._begin(name, start))
                continue
            with self.failures.query(f"object {name} is not started on image {number}"):
                self._done(self._begin(name, start))
        return replace(result, objects=self.session.newest.objects) if self.session.newest else result

    def _begin(self, name: int, start: ObjectStart) -> Answer:
        """Start an object on the newest image; raises QueryError."""
        fitted, changes = start.fitted(self.session.size)
        for change in changes:
            self.failures.log.warning(f"object {name}: {change}")
        return self.session.start(partial(fitted.begin, object_id=name))

    def _follow(self, event: ImageEvent, change: Change | None) -> None:
        """Take over what an image shows of its camera, beside the objects."""
        self.clicks.frame_id = getattr(event.header, "frame_id", "")
        if change is None:
            return
        self.failures.log.repeated(change.news)  # a recording of a second may loop for ever
        self.clicks.transforms.clear()
        self._look_again()
