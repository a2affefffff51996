"""The caller's part of a schema as an OpenAPI 2.0 document."""
