"""The family `detr`: transformers' DETR on the shared loop."""
