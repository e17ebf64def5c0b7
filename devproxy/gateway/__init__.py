"""The front door: every byte a browser sends enters here.

The request's path, in order: the head is framed and read strictly (proxy.head), Host is checked, then
Origin and Fetch Metadata (checks.py), then /__devproxy goes to the control application (asgi.py), and
everything else takes its route: an exchange with an upstream (proxy.exchange) or a static site (asgi.py).

protocol.py  one client's connection       gateway.py  what all connections share; listens, drains
checks.py    who may come in (pure)        asgi.py     a route of our own, answered by an ASGI application
leaving.py   a client that left unread     mount.py    an application that is loaded when it is first needed
"""
