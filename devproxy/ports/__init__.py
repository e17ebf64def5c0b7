"""Who holds a port, may it be freed, free it, choose another.

Words:
    listener   a TCP socket in LISTEN state; a client's socket is never one
    holder     a process that has a listener on the port we want
    lineage    the holder and those above it that run only for its sake (reloader, npm, sh -c)
    identity   pid and creation time: a pid alone may belong to somebody else a moment later
    verdict    ours, neighbour, stranger or untouchable: may it be ended, and must we ask

Files:
    probe      is a port free, take it, choose one (standard library only: start-up waits for it)
    table      LISTEN sockets and who has them; table_linux (by sockets_linux), table_darwin read them
    holdings   which process has which of them, how many connections wait there; holdings_linux, holdings_darwin
    identity   the same process or another one; identity_linux, identity_darwin read it
    signals    a signal to an identity, never to a pid that was reused
    records    children.json: what our sessions have started
    sessions   which of our sessions run
    facts      the values that verdicts are made of
    family     who is whose parent, now
    holder     gathers facts about a holder; containers names the container that publishes a port
    lineage    pure: whom to signal, so that no reloader brings the holder back
    verdict    pure: facts in, verdict out
    look       all of the above for one port: its holders, judged
    free       ends holders that may be ended, and waits until the port binds
    leases     a port between being chosen and being bound
    memory     ports.json: what a root was given, to be given again
    whose      pure: whom a holder belongs to, in a word or two
    killed     killed.jsonl: what was ended, when and why
"""
