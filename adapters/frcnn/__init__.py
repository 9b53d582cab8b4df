"""The family `frcnn`: torchvision's Faster R-CNNs on the shared loop."""
