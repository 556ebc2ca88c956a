"""The program that brings a node into a state, or tells whether it still is in it. Runs on the node as root.

Self-contained: the manager sends these modules, with a manifest and file contents, as one archive over SSH;
the node's own Python (3.11 or newer, standard library only) runs them from memory. Hence the relative imports
and nothing of viaduct. One JSON object a line goes to standard output.

Level-triggered: whatever an interrupted run left behind, the next one completes. What must survive an
interruption is written down before it happens: which paths and units are ours (``manifest.json``), which
units still have to be restarted (``pending.json``). ``digest`` is written last, when everything has
succeeded, and removed first.
"""
