"""SAM 2 and EdgeTAM as they follow objects through a video, from the transformers package."""
