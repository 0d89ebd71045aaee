"""The portal: pages to see, start, compare and try trainings, with the rights of whoever looks.

From the bottom up: `settings` and `words` are plain values and sentences; `identity` says who asks, `sessions`
remembers it; `live` keeps one shared copy of what is watched for all pages of one identity, `curves` the history of
figures; `access` is the cluster as one identity sees it; `security` guards every request; `pages` draws, `server`
puts all together. Nothing is decided here that the command line or the Python client would decide otherwise.
"""
