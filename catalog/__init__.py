"""What is for sale, and what shoppers did with it."""
