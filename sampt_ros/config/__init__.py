"""Every parameter, typed and bounded."""
