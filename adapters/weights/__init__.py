"""Starting weights: where they are, and how they are read without running anything of theirs."""
