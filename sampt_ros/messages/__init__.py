"""What our messages hold, whoever's classes they are made of."""
