"""Carries out plans: one run at a time, journalled, retried, undone where needed, told as events."""
