"""DeAOT, from the deaotpy package."""
