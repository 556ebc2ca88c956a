"""HTTP handlers. A module here that defines ``add_routes(app, center)`` is mounted at start."""
