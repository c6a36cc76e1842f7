"""What callers say: configuration, points, filters, queries, updates, and what they get back.

In come Python values, checked and converted once, at construction. Out go immutable objects that compare by
value, print as the code that builds them, and can be pickled, copied and matched. No files on disk belong to
this layer.
"""
