"""What detectors with object queries share: DETR, DINO."""
