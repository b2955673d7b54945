"""Recognition of objects: detects masks that have drifted onto something else, and finds lost objects again."""
