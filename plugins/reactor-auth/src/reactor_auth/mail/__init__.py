"""Mail: what is sent and how it looks, a transactional outbox, and the service that empties it."""
