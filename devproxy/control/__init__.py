"""The control API under /__devproxy/: what scripts, the dashboard and our own commands speak.

    endpoints   every endpoint in one table: method, path, who may call it, what answers
    app         the table made into an ASGI application
    access      who may call: the classes P, T and S, the session's token, cookies, tickets
    models      what is sent: the public contract
    target      what the API asks of the session (which implements it)
    context     the session that a request is about
    problems    how an error is answered: RFC 9457
    pages       the dashboard and client.js
    resources   services, plan, logs
    streams     how an event stream is sent; event_streams.py: the three that there are
    terminals   a service's terminal as a WebSocket

A *ticket* is a word that is worth one login; a *local* request came through the session's Unix socket.
The gateway has checked Host and Origin before a request gets here.
"""
