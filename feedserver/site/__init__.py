"""The content of pages and lists, without HTTP."""
