"""The exchange with an upstream: what is forwarded, on which connection, what waits, what fails.

Words: a *client* (a browser, curl) sends a request to the gateway; the gateway forwards it to an
*upstream* (a service of this session, or a URL) and relays the answer. One request and its answer are
an *exchange*. An *upgrade* turns a connection into a *relay* of bytes both ways. A request for a
service that is not ready is *held*.

head.py      reading heads strictly (pure)          framing.py   where a body ends (pure)
headers.py   what a field becomes on its way (pure) routes.py    which route a request takes (pure)
hold.py      wait, forward or answer? (pure)        failures.py  an outage as a page or as JSON
url.py       a URL, taken apart (pure)              origin.py    two origins as one: redirects, cookies (pure)
rules.py     what a route changes (pure)            ruled.py     an exchange on a route that changes something
explain.py   why a request takes its route (pure)   tls.py       an upstream that speaks TLS
date.py      the Date field
balance.py   several upstreams as one               choice.py    which of them gets a request (pure)
health.py    probes: which upstreams are well       websocket.py the handshake, and where frames end (pure)
upstream.py  where a service is reached, its pool of connections and who waits for it
exchange.py  one request and its answer             relay.py     bytes both ways after an upgrade
bulk.py      a long body, without copies
"""
