"""Topics: how one part tells many readers something, and none of them can slow it.

topic: a bounded ring with sequence numbers; a **subscriber** is a cursor into it and a wake-up. Who falls
behind loses the oldest items and is told how many (the **gap**).
"""
