"""What every GraphQL door must do alike."""
