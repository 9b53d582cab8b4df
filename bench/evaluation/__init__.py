"""The judge: one for every detector."""
