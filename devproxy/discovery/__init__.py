"""What is in this repo: readers of manifests and source that give one plan, and never run anything.

Words: a *tree* is the bounded view of the project's files (tree.py); a *world* is a kind of project
with one reader of its own (node.py with vite.py and express.py, python.py with fastapi_app.py and
fastapi_routes.py, static.py, procfile.py; source.py reads Python and javascript.py JavaScript, neither
runs any); what a reader recognises is *found* (found.py); discover.py joins what was found, names it,
gives it ports, routes (routing.py, api_url.py) and `.env` files (env_files.py), and hands back a *plan*
(plan.py), in which every choice carries its reason.

Nothing here imports the project's code, starts a program or opens a socket. A broken manifest is a
note in the plan, never an exception.
"""
