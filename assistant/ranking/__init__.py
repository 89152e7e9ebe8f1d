"""Candidates to recommendations: what was said in the dialogue and what was done before."""
