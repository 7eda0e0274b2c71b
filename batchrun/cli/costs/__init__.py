"""``batchrun costs``, and the costs in ``plan`` and ``report``.

The arithmetic and the price lists are in ``model.costs``; sums of a batch in ``report.bill``; the call in
``service.pricing``; the ledger stores what runs used (``ports.ledger``). Nothing else imports this.
"""
