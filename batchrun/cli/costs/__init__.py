"""
``batchrun costs``, and what ``plan`` and ``report`` tell of costs.

The arithmetic, and the list of prices, are ``model.costs``; sums of a batch ``report.bill``; the call
``service.pricing``; what runs used is kept by the ledger (``ports.usages``). Nothing else imports this.
"""
