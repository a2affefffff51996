"""Why an identity may, or may not, do something with a row: policies, grants and a real try, of any table."""
