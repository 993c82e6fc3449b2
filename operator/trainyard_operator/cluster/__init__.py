"""The cluster: objects of the API server as plain JSON, read, written, and told of in events."""
