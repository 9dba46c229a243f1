"""Our server beside what a user would run instead, measured on the user's own machine."""
