"""The work of a job: manifest, templates, selection, tasks, records and the ledger rule. Pure: no I/O, no clock."""
