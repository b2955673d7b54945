"""Files of images, labels and results."""
