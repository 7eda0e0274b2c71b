"""
The places that rows want their runs to read, beyond what a manifest says of itself.

``texts`` tells places from other text, ``mentions`` finds them in a row, ``survey`` keeps them, each once,
with what was seen of it; ``findings`` makes problems of it. Looking is not done here (``service.looking``).
"""
