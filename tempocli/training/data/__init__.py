"""Training data: packages fetched, clips prepared into feature stores, views and batches cut from them."""
