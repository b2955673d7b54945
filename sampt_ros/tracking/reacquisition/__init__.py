"""How an object is known again: after it was lost, or when its mask has drifted onto something else."""
