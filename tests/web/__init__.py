"""Pages and API, through HTTP and in a browser."""
