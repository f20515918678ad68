"""From monomers to networks: chains, their growth in place, and what has been made."""
