"""Several requests in one transaction, later ones using the answers of earlier ones (decision 34)."""
