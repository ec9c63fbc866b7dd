"""The models that come with the product: plain Zipline algorithms, to be read and changed."""
