"""What a person sees: messages, tables, progress."""
