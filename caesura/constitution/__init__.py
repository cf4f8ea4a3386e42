"""What the model is to be like, in writing, and how text is made to follow it.

Read `constitution.yaml`, then `principles.py`.
"""
