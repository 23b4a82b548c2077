"""The local OSS: a server that answers as Alibaba Cloud OSS does, for one machine, on pictures it really processes."""
