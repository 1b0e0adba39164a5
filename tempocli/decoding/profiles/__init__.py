"""How one person counts: profiles, learned from corrected tempi, that reweight tempo distributions."""
