"""Pure decisions: (what shall be, what is) -> steps. No I/O."""
