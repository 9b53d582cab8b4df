"""What our loop and ultralytics' trainer share: length of a training, stages, rates, ranks, saved state."""
