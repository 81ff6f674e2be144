"""Time: the command line, the rig and Prefect. The only package that knows a scheduler."""
