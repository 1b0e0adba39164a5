"""The beat network: activations of beats and downbeats (Davies and Böck 2019, Böck and Davies 2020)."""
