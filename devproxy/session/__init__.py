"""One run of a project: builds the parts, introduces them to one another, and stops them in reverse.

launch.py    before there is a loop    session.py   the run itself
claims.py    ports for services, by the verdicts of devproxy.ports
view.py      the session as the control API sees it (its Target)
words.py     what a change is called in the log (pure)      outages.py   what a failure is told as (pure)
reloading.py the config while it runs: what an edit would change, and changing it
place.py     one session a root: the lock, session.json, the socket
custody.py   who ends our children if we cannot: the guard and the record on disk
leftovers.py what the record lets the next session end
"""
