"""The lab as a whole: start, stop, status, reset, purge."""
