"""Tracks without ROS what is in the middle of a webcam's image, or at a pixel of a video's first frame.

python examples/webcam.py 0
python examples/webcam.py examples/demo/tabletop.mp4 464,282
"""

import sys

from sampt_ros import SamPt, open_source


def main(source: str, click: str = "") -> None:
    """Print what becomes of the object; source: a camera's number, a video file or an image folder; click: "x,y"."""
    sam_pt = SamPt()  # with the default preset
    with open_source(source) as images:
        height, width = images.size
        x, y = map(float, click.split(",")) if click else (width / 2, height / 2)
        for image in images:  # (height, width, 3) uint8 RGB
            result = sam_pt.step(image)
            if not sam_pt.object_ids:
                sam_pt.add_object(points=[(x, y)])
            for item in result.objects:  # item.mask is (height, width) bool
                print(f"frame {result.index}: object {item.id} is {item.state.name}, {item.area} pixels")


if __name__ == "__main__":
    main(*sys.argv[1:])
