"""The errors of this package. Every message says what was expected and what came."""


class SamPtError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(SamPtError, ValueError):
    """A parameter or preset is unknown, of the wrong type, or out of range."""


class FrameError(SamPtError, ValueError):
    """An image cannot be used: it is dropped and counted, tracking goes on."""


class OutOfMemoryError(SamPtError, MemoryError):
    """Memory, the GPU's or the machine's, did not suffice: the frame or query is dropped, tracking goes on."""


class QueryError(SamPtError, ValueError):
    """A query (points, box, mask) is refused; objects already tracked are untouched."""


class UnknownObjectError(QueryError, KeyError):
    """A query names an object that is not tracked."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])


class StampError(FrameError, QueryError):
    """The stamp of an image, or of a query, is not a time."""


class ProjectionError(QueryError):
    """A 3D point is not in the camera's image."""


class CheckpointError(SamPtError, RuntimeError):
    """Model weights are missing, corrupt, or of another architecture."""


class SourceError(SamPtError, OSError):
    """A video, image folder, camera or annotation is missing, empty or cannot be read."""


class ServerError(SamPtError, OSError):
    """The page cannot be served at an address: it is taken, or not this machine's."""
