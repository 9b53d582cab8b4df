"""Descendants of DETR in transformers: one adapter, a row for each architecture."""
