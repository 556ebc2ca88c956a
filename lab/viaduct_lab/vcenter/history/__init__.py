"""Selecting and paging through past tasks and events."""
