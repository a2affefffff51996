"""Pictures rendered from objects: smaller, in other formats, kept beside them."""
