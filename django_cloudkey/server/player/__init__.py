"""The page with the player."""
