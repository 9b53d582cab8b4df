"""Class tables that ship with the project, as YAML."""
