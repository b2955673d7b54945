"""SAM 2 and EdgeTAM: the image encoder and the decoder of prompts, from the transformers package."""
