"""The query language of the URL: from raw text to one SQL statement."""
