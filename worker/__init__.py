"""oss-saveas: an asynchronous batch worker for Alibaba Cloud OSS image processing."""

__version__ = "0.1.0"
