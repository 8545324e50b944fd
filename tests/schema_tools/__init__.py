"""The exported schema as others use it: linted, compared, and made into typed clients."""
