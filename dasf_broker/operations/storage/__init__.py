"""The stored messages of topics: capacity, deduplication of ids, and removal."""
