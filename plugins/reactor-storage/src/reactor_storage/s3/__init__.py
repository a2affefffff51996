"""The endpoint that speaks S3's protocol over the same buckets and objects (decisions 30, 36 and 37)."""
