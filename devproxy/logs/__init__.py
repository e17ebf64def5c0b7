"""What processes print: filtered, numbered, on disk, and handed to whoever reads along.

A **line** has a sequence number that counts up from 1 in each session, over all services, without a gap. Lines
travel in **chunks** (what one read of a pipe gave, whole lines only); only a reader makes **records** of them.

filter    bytes of a child -> whole lines that are safe to show      log       Log and Source: the way in
records   Record and Chunk                                           levels    how serious a line says it is
segments  files of one service, rotated and healed                   index     where in them which lines are
tracebacks  which lines are one error                                timestamps  the time that a line itself gives
query     reading them back                                          stream    the event stream of api/logs/stream
stored    chunks that the ring has lost, from the files              newest    the last that a filter takes
tail      files that programs log into                               printed   waiting for a line
marks     starts, readiness and saves, to count lines from           moments   when people say "since"
"""
