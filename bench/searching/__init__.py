"""Search for each model's best setting: the options against class imbalance, or any others of the recipe."""
