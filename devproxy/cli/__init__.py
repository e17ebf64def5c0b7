"""What people type and see: one file a command group, each a plain function that Typer describes.

`app` knows the commands and loads only the one that was asked for; `console` owns colour, width,
messages and the exit; `client` talks to a running session; `layout` writes `--help`.
"""
