"""Camera, image crops, surfaces from depth."""
