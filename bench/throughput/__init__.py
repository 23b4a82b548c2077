"""CPU of one POST: the whole worker beside bare aiohttp and the official SDKs, in one alternating run."""
