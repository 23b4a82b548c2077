"""Limits of the service on processes and on what they put out.

Sources: OSS, "Image processing", "Limits", "Resize images", and the pages of the detailed codes named here.
"""

MAX_WATERMARK_IMAGES = 3  # distinct ones: 0040-00000026
MAX_RESULT_SIDE = 16_384  # pixels: 0040-00000007
MAX_RESULT_PIXELS = 16_777_216
MAX_ROTATED_SIDE = 4_096  # 0040-00000006
# Greatest width, height and number of pixels of a result, by format: 0040-00000011 and -14; HEIC in "Limits".
MAX_WRITTEN = {
    "webp": (16_383, 16_383, 1 << 40),
    "heic": (4_096, 4_096, 1 << 40),
    "avif": (4_096, 65_535, 9_437_184),
}
