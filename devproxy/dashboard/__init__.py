"""The dashboard: static files that speak only to the control API (control/pages.py serves them).

It needs no build and loads nothing from elsewhere. Whatever a service printed becomes text, never HTML.
"""
