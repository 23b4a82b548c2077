"""Who may do what on the local OSS: access keys, their policies, and what each operation needs."""
