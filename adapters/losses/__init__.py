"""The switch against class imbalance on the families' heads. docs/losses.md has the formulas.

words.py      what a family makes of its words, while planning: no torch
weights.py    the words met with a train split: weights, background, focus
softmax.py    heads whose classes share one softmax with `no object`
binary.py     the focusing factor of heads with a sigmoid a class
sigmoid.py    DETR's head with a sigmoid a class
"""
