"""A built single-page app, served from a folder, and pages that reload when it changes.

A **document** is what a browser navigates to; only documents get the **index fallback** (index.html
for a path that is the app's own route). An **asset** is any other file; a **hashed** one has its
content's hash in its name and may be cached for ever. A **sibling** is a precompressed copy (app.js.br).

paths.py     request target -> parts below the root, or why not (pure)
requests.py  is it a document, which encodings, is the client's copy still good (pure)
ranges.py    Range and If-Range (pure)
types.py     media type and caching by file name (pure)
files.py     opens a file that lies below the root, and nothing else
inject.py    puts the live-reload script into a document (pure)
app.py       StaticApp: the ASGI application
client.py    client.js as bytes
reload.py    file changes -> what pages are told
"""
