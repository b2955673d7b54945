"""The package without ROS: `pip install .` gives the core and the `sampt` command. With ROS, colcon builds it."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

PACKAGE_XML = ElementTree.parse(Path(__file__).with_name("package.xml"))
CONFIG_FILES = sorted(str(path) for path in Path("config").iterdir())
MESSAGE_FILES = sorted(str(path) for path in Path("msg").iterdir())  # `sampt bag` writes them into bags

setup(
    name="sampt_ros",
    version=PACKAGE_XML.findtext("version"),
    description=PACKAGE_XML.findtext("description"),
    license="Apache-2.0",
    packages=find_packages(include=["sampt_ros", "sampt_ros.*"]),
    package_data={
        "sampt_ros": ["py.typed"],
        "sampt_ros.segmenters.nano": ["*.onnx", "*.safetensors"],
        "sampt_ros.web": ["static/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/sampt_ros"]),
        ("share/sampt_ros", ["package.xml"]),
        ("share/sampt_ros/config", CONFIG_FILES),
        ("share/sampt_ros/msg", MESSAGE_FILES),
    ],
    python_requires=">=3.10",
    install_requires=[
        "numpy",
        "onnxruntime>=1.20",
        "opencv-python",
        "pillow",
        "pooch",
        "pyyaml",
        "safetensors",
        "threadpoolctl",
        "tqdm",
    ],
    extras_require={
        "torch": ["torch>=2"],
        "sam": ["torch>=2", "torchvision", "segment-anything"],
        "sam_hq": ["torch>=2", "torchvision", "segment-anything-hq", "timm"],
        "mobile_sam": ["torch>=2", "torchvision", "mobilesam-mirror", "timm"],
        "sam2": ["torch>=2.1", "torchvision", "transformers>=5.24,<5.25"],
        "edgetam": ["torch>=2.1", "torchvision", "transformers>=5.24,<5.25", "timm"],
        "seggpt": ["torch>=2.1", "torchvision", "transformers>=5.24,<5.25"],
        "raft": ["torch>=2", "torchvision"],
        "superglue": ["torch>=2.1", "torchvision", "transformers>=5.24,<5.25"],
        "lightglue": ["torch>=2.1", "torchvision", "transformers>=5.24,<5.25"],
        "dino": ["torch>=2.1", "transformers>=5.24,<5.25"],
        "cutie": ["torch>=2.1", "torchvision", "rf-cutie>=1.0.1,<1.1"],
        "deaot": ["torch>=2.1"],  # deaotpy asks for more than it needs: see docs/install.md
        "bag": ["mcap", "rosbags", "rosbags-image"],
        "video": ["av"],
        "ray": ["ray>=2.9"],
        "remote": ["fsspec"],
        "web": ["aiohttp>=3.8"],
        "dev": ["mypy", "playwright", "pycocotools", "pytest", "pytest-xdist", "ruff", "types-PyYAML", "types-tqdm"],
    },
    entry_points={"console_scripts": ["sampt = sampt_ros.cli.main:main"]},
)
