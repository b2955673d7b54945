"""One camera's stream, live or recorded: events go in, tracked frames come out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from sampt_ros.config.node import NodeConfig
from sampt_ros.data_types import POSITIVE, FrameResult
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.streaming.clicks import Clicks, NoTransforms, Transforms
from sampt_ros.streaming.continuity import Change, FrameIds
from sampt_ros.streaming.depth_queue import DepthQueue, LoadDepth, RecordedWaiting, WaitingPolicy
from sampt_ros.streaming.failures import Attempt, Failures
from sampt_ros.streaming.requests import Action, Answer, ObjectStart, Reference, Request
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.statistics import ACCEPTED, StreamStatistics
from sampt_ros.streaming.tracked_frame import ImageEvent, TrackedFrame
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.log_once import LogOnce

_log = logging.getLogger(__name__)

_SAME_PIXEL = 0.01  # Camera matrices that differ by less are alike.
_MAX_DELIVERED = 1000  # references that are recognised when they are delivered again


class Stream:
    """Tracks objects through a camera's images. The node, bags and videos all use it.

        stream.query(load_request)
        if (frame := stream.image(event)) is not None:
            ...                                # frame.result has the masks
        for frame in stream.ready_frames():
            ...                                # frame.surfaces has the 3D surfaces, where there is depth

    Each event is processed within an error boundary (see Failures): one that fails is dropped, counted and logged, and
    the stream goes on with the next. All events except depth and CameraInfo must come from one thread.

    session, depth_queue, clicks, failures  the parts it is composed of
    ids_since                               when objects' ids last started from 1, seconds since 1970
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
        """waiting: how long a frame waits for its depth; starts: by object id, the prompts of a recording's objects."""
        self.failures = failures
        self.ids_since = time.time()
        self.session = Session(sam_pt, options.history)
        self.depth_queue = DepthQueue(waiting, self.failures, options.history, expects_depth)
        transforms = transforms or NoTransforms("transforms are not known here")
        self.clicks = Clicks(self.session, self.depth_queue, transforms, camera_hint)
        self._options = options
        self._frame_ids = FrameIds()
        self._camera_lock = threading.RLock()
        self._load_camera: Callable[[bool], Pinhole] | None = None
        self._starts = dict(starts or {})
        self._references: dict[int, Reference] = {}  # by object id
        self._delivered: dict[int, int] = {}  # object id that a reference was given, by when it was sent

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
        """A stream for a bag or a video: no frame is skipped, and each kind of warning is logged once.

        no_transforms: why there are no transforms; camera_hint: where CameraInfo is expected; both for error messages.
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
        """The options; they may change while the stream runs."""
        return self._options

    @options.setter
    def options(self, options: NodeConfig) -> None:
        self.session.history = self.depth_queue.history = options.history
        with self._camera_lock:
            before, self._options = self._options, options
            # A CameraInfo that is published once does not come again.
            if self._load_camera is not None and options.rectified != before.rectified:
                self.camera(self._load_camera)

    @property
    def statistics(self) -> StreamStatistics:
        """Counts and timings of the stream, and the reasons for its failures."""
        return self.failures.statistics

    # Images

    def image(self, event: ImageEvent, queries: Iterable[Callable[[], object]] = ()) -> TrackedFrame | None:
        """Track all objects to the next image; returns None if the image cannot be used.

        queries: carry out those of a recording that were waiting for this image; not called if it fails.

        If the image is good but the computation fails, the frame is marked as failed and has no masks. An object of
        `starts` that cannot be started on its image is refused and logged; on the first image QueryError is raised.
        """
        image, frame, change = None, None, None
        with self.failures.frame(f"{event.name} is rejected") as attempt:
            image = event.load()
            change = self.session.observe(event.stamp_ns, image, event.following_ns)
            self._apply_change(event, change)
            frame = TrackedFrame(event, image, self.session.step(event.stamp_ns, image), change=change)
        if frame is not None:
            self._start_due(event.number)
            for carry_out in queries:
                carry_out()
            if newest := self.session.newest:
                result = replace(frame.result, objects=newest.objects, wholes=newest.wholes)
                frame = replace(frame, result=result)
        elif image is not None and not isinstance(attempt.error, FrameError):
            partial_result = self.session.failed or FrameResult(0, image.shape[:2])
            frame = TrackedFrame(event, image, partial_result, change=change, failed=True)
        if frame is not None:
            self.depth_queue.add_frame(frame)
        return frame

    def skip(self, event: ImageEvent) -> None:
        """Skip an image because a newer one is waiting; a query may still refer to it."""
        with self.failures.task(f"{event.name} is not kept for late queries"):
            self.session.remember(event.stamp_ns, event.load, event.nbytes)

    def ready_frames(self) -> Iterator[TrackedFrame]:
        """Take the frames that need not wait for depth any longer, in order; `surfaces` is None without depth."""
        return self.depth_queue.ready_frames()

    def remaining_frames(self) -> Iterator[TrackedFrame]:
        """Take all frames that are left, at the end of the stream."""
        return self.depth_queue.remaining_frames()

    def refuse_unstarted(self) -> None:
        """Refuse, at the end of a recording, the objects whose image did not come."""
        for object_id, start in self._starts.items():
            with self.failures.query(f"object {object_id} is not started"):
                raise QueryError(f"expected it on image {start.frame}, which is not there, or was dropped")
        self._starts = {}

    # Camera model and depth

    def camera(self, load: Callable[[bool], Pinhole]) -> Attempt:
        """Use this camera model from now on; load: the model, given whether the images are rectified."""
        with self._camera_lock:
            self._load_camera = load
            with self.failures.camera() as attempt:
                camera = load(self._options.rectified)
                self.depth_queue.set_camera(camera)
                if not camera.looks_forward:
                    x, y = camera.K[:2, 2]
                    self.failures.log.repeated(
                        f"the CameraInfo's principal point ({x:g}, {y:g}) is not inside its "
                        f"{camera.width}x{camera.height} images, as of an uncalibrated camera or another resolution: "
                        "3D may be wrong"
                    )
            self.depth_queue.camera_error = attempt.reason
            return attempt

    @property
    def differs_rectified(self) -> bool:
        """Whether the images' camera is taken for that of raw ones, and would be another one if they are rectified."""
        with self._camera_lock:
            camera, load = self.depth_queue.camera, self._load_camera
            if camera is None or load is None:
                return False
            try:
                return bool(camera.D.any()) or not np.allclose(camera.K, load(True).K, rtol=0, atol=_SAME_PIXEL)
            except QueryError:  # Nothing says how images would be rectified.
                return False

    def depth(self, time_ns: int, load: LoadDepth) -> None:
        """Add a depth image of this time, registered to the images; the queue matches it to a frame."""
        self.depth_queue.note_depth(time_ns)
        self.depth_queue.add_depth(time_ns, load)

    # Queries

    def query(self, load: Callable[[], Request], frame_id: str = "") -> Attempt:
        """Start, correct, restart or remove an object; frame_id: from the query's header, empty if not given."""
        with self.failures.query() as attempt:
            if self.session.has_images and frame_id not in ("", self.clicks.frame_id):
                raise QueryError(f"expected frame_id {self.clicks.frame_id!r}; got {frame_id!r}")
            request = load()
            attempt.answer = self._log_accepted(self.session.answer(request))
            if request.action != Action.ADD:
                self._references.pop(request.object_id, None)
        return attempt

    def reference(self, load: Callable[[], Reference], sent_ns: int = 0) -> Attempt:
        """Search for the object of a reference picture from now on, and again after all objects were dropped.

        sent_ns: when it was published, which tells a latched message that is delivered again from one that was
        published anew; 0: not known.

        Receiving the same reference again changes nothing while its object exists. If it is delivered again after its
        object was removed or replaced, it stays so.
        """
        with self.failures.query("the reference is refused") as attempt:
            reference = load()
            given = self._delivered.get(sent_ns)
            reference = reference if given is None else replace(reference, object_id=given)
            is_newest = reference.is_same(self._references.get(reference.object_id))
            if is_newest and reference.object_id in self.session.sam_pt.object_ids:
                attempt.answer = self._log_unchanged(reference, "already searched for")
            elif given is not None and not is_newest:
                text = "not searched for again, as it was removed or replaced since its reference was published"
                attempt.answer = self._log_unchanged(reference, text)
            else:
                attempt.answer, reference = self._search_for(reference)
            self._remember_delivery(sent_ns, reference.object_id)
        return attempt

    def click_in_view(self, x: float, y: float) -> Attempt:
        """A positive click in an image view, in pixels of the newest image."""
        with self.failures.query("the click is refused") as attempt:
            click = self.session.click(self.clicks.in_view(x, y), POSITIVE, self._extends)
            attempt.answer = self._log_accepted(click)
        return attempt

    def click_in_space(self, label: int, xyz: np.ndarray, frame_id: str, load_stamp_ns: Callable[[], int]) -> Attempt:
        """A click at a point (3,), metres in frame `frame_id`, on the image that was current at a stamp.

        label: POSITIVE or NEGATIVE; load_stamp_ns: the stamp in nanoseconds, 0 for the newest image.
        """
        with self.failures.query("the click is refused") as attempt:
            stamp_ns = load_stamp_ns()
            xy = self.clicks.in_space(xyz, frame_id, stamp_ns, self._options.tf_timeout)
            attempt.answer = self._log_accepted(self.session.click(xy, label, self._extends, stamp_ns))
        return attempt

    def reset(self) -> None:
        """Drop all objects; object ids start again from 1. The objects of references are searched for again."""
        self.session.reset()
        self.ids_since = time.time()
        self.failures.log.info("reset: all objects are dropped")
        self._restore_references()

    # Internals

    @property
    def _extends(self) -> bool:
        """Whether a positive click outside all masks extends the object that was clicked last."""
        return self._options.clicks == "last_object"

    def _log_accepted(self, answer: Answer) -> Answer:
        self.failures.log.info(answer.text)
        self.statistics.count(ACCEPTED)
        return answer

    def _log_unchanged(self, reference: Reference, text: str) -> Answer:
        """Log why a reference changes nothing."""
        self.failures.log.info(f"object {reference.object_id}: {text}")
        return Answer(f"object {reference.object_id}: {text}")

    def _search_for(self, reference: Reference) -> tuple[Answer, Reference]:
        """Search for the object of a reference; returns the answer, and the reference with the id of its object."""
        answer = self._log_accepted(self.session.add_reference(reference))
        if answer.object is not None:
            reference = replace(reference, object_id=answer.object.id)
        self._references[reference.object_id] = reference
        return answer, reference

    def _remember_delivery(self, sent_ns: int, object_id: int) -> None:
        if sent_ns:
            self._delivered[sent_ns] = object_id
            while len(self._delivered) > _MAX_DELIVERED:
                del self._delivered[next(iter(self._delivered))]

    def _restore_references(self) -> None:
        """Search again for the objects of references that were dropped."""
        for object_id, reference in self._references.items():
            if object_id in self.session.sam_pt.object_ids:
                continue
            with self.failures.query("a reference is not searched for again"):
                self.failures.log.info(self.session.add_reference(reference).text)

    def _start_due(self, number: int) -> None:
        """Start the objects of a recording that are due on frame `number`.

        Objects of frame 0 start on the first frame that can be used.
        """
        due = {object_id: start for object_id, start in self._starts.items() if start.frame in (0, number)}
        for object_id, start in due.items():
            del self._starts[object_id]
            if start.frame == 0:
                if number:
                    self.failures.log.warning(
                        f"object {object_id} starts on image {number}, the first that can be used"
                    )
                self._log_accepted(self._begin(object_id, start))
                continue
            with self.failures.query(f"object {object_id} is not started on image {number}"):
                self._log_accepted(self._begin(object_id, start))

    def _begin(self, object_id: int, start: ObjectStart) -> Answer:
        """Start an object on the newest image; raises QueryError."""
        fitted, changes = start.fitted(self.session.size)
        for change in changes:
            self.failures.log.warning(f"object {object_id}: {change}")
        return self.session.start(partial(fitted.begin, object_id=object_id))

    def _apply_change(self, event: ImageEvent, change: Change | None) -> None:
        """Update frame_id, transforms and references for an image that may have changed the stream."""
        self.clicks.frame_id = getattr(event.header, "frame_id", "")
        if warning := self._frame_ids.check(self.clicks.frame_id):
            self.failures.log.repeated(warning)
        if change is None:
            return
        self.failures.log.repeated(change.message)  # a short recording may loop for ever
        self.clicks.transforms.clear()
        self._restore_references()
