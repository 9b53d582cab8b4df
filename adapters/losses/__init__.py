"""`loss:` against class imbalance, for the families' heads. docs/losses.md has the formulas.

planning.py   the settings of `loss:` in a plan: no torch
weights.py    the weight of each example, from the settings and a train split
softmax.py    heads whose classes share one softmax with `no object`
binary.py     the focal factor of heads with one sigmoid per class
sigmoid.py    DETR's head with one sigmoid per class
"""
