"""DINO: Zhang et al. 2022, on the parts of transformers' Deformable DETR."""
