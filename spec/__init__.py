"""What software and hardware share: configuration, formats and schedule types, each fact once."""
