"""The sample shop that a new user starts with: products, reviews, shoppers and their history."""
