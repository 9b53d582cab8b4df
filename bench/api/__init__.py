"""The functions behind `import bench` and behind the command line. `bench/__init__.py` says which are public.

Nothing is printed here, except progress where a person watches (`bench.api.screens`). Errors are raised.
"""
