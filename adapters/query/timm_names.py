"""timm's ResNet, in which older checkpoints keep their backbone, by the names of transformers' ResNet."""

RESNET_OF_TIMM: tuple[tuple[str, str], ...] = (
    (r"conv1\.", "embedder.embedder.convolution."),
    (r"bn1\.", "embedder.embedder.normalization."),
    *(
        (
            rf"layer{stage + 1}\.(?P<block>\d+)\.{theirs}{layer + 1}\.",
            rf"encoder.stages.{stage}.layers.\g<block>.layer.{layer}.{ours}.",
        )
        for stage in range(4)
        for layer in range(3)
        for theirs, ours in (("conv", "convolution"), ("bn", "normalization"))
    ),
    *(
        (
            rf"layer{stage + 1}\.(?P<block>\d+)\.downsample\.{place}\.",
            rf"encoder.stages.{stage}.layers.\g<block>.shortcut.{ours}.",
        )
        for stage in range(4)
        for place, ours in ((0, "convolution"), (1, "normalization"))
    ),
)
"""Regular expressions below the backbone's body -> replacements."""
