"""What people and machines touch: the console of those who work, the portal of residents, the API."""
