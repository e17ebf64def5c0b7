"""One run of a project: builds the parts, introduces them to one another, and stops them in reverse.

launch.py     before there is a loop                  session.py    the run itself
place.py      one session a root: the lock, session.json, the socket
front.py      the public port                         claims.py     ports for services, by ports' verdicts
window.py     the size of the services' terminals     guests.py     who else uses a session that `run` has started
backends.py   what routes lead to                     groups.py     which upstreams share a name (pure)
upstreams.py  upstreams as they are shown             failures.py   why a request failed, by what the session knows
watching.py   the files that matter                   news.py       what happens, told to the log, the API and pages
reloading.py  the config while it runs: what an edit would change, and changing it
custody.py    who ends our children if we cannot: the guard and the record on disk
leftovers.py  what the record lets the next session end
view.py       the session as the control API sees it (its Target)     why.py   all that is known of one service

Pure: words.py (what a change is called in the log), outages.py (what a failure is told as), advice.py (what to do
next about a service), environments.py (a service's environment as it is shown), routing.py (which route a URL takes).
"""
