"""What strangers, guessers and attackers meet."""
