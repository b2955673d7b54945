"""Reading and writing of images, videos, masks, datasets and results."""
