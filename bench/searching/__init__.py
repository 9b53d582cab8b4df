"""Search for each model's best setting: the switch against class imbalance, or any words of the recipe."""
