"""image/info, to the character where its text is recorded."""

import json
import struct
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from tests.emulator.pictures import animated, jpeg, oriented, picture, refusal, rendered, saved

EXAMPLE = Path(__file__).parents[3] / "shared/data/example.jpg"


def info(data: bytes) -> dict[str, str]:
    return {name: field["value"] for name, field in json.loads(rendered(data, "image/info")).items()}


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the recorded example picture is not here")
def test_the_text_is_the_recorded_one() -> None:
    assert rendered(EXAMPLE.read_bytes(), "image/info").decode() == (
        "{\n"
        '    "FileSize": {"value": "21839"},\n'
        '    "Format": {"value": "jpg"},\n'
        '    "FrameCount": {"value": "1"},\n'
        '    "ImageHeight": {"value": "267"},\n'
        '    "ImageWidth": {"value": "400"},\n'
        '    "ResolutionUnit": {"value": "1"},\n'
        '    "XResolution": {"value": "1/1"},\n'
        '    "YResolution": {"value": "1/1"}}'
    )


def test_the_result_of_a_resize_says_what_is_recorded_for_it() -> None:
    data = rendered(jpeg(), "image/resize,m_fixed,w_100,h_100")
    assert info(data) == {
        "FileSize": str(len(data)),
        "Format": "jpg",
        "FrameCount": "1",
        "ImageHeight": "100",
        "ImageWidth": "100",
        "ResolutionUnit": "1",
        "XResolution": "1/1",
        "YResolution": "1/1",
    }


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_have_five_fields(format_name: str) -> None:
    data = saved(picture(80, 60), format_name)
    assert info(data) == {
        "FileSize": str(len(data)),
        "Format": format_name.lower(),
        "FrameCount": "1",
        "ImageHeight": "60",
        "ImageWidth": "80",
    }


def test_frames_are_counted_and_the_size_is_that_of_one() -> None:
    for format_name in ("GIF", "WEBP"):
        found = info(animated(format_name))
        assert (found["FrameCount"], found["ImageWidth"], found["ImageHeight"]) == ("3", "60", "40")


def test_the_size_is_the_stored_one_whatever_the_orientation() -> None:
    found = info(oriented(120, 80, 7))
    assert (found["ImageWidth"], found["ImageHeight"], found["Orientation"]) == ("120", "80", "7")


def test_a_density_is_told_in_the_units_of_exif() -> None:
    found = info(jpeg(dpi=(300, 300)))
    assert (found["ResolutionUnit"], found["XResolution"], found["YResolution"]) == ("2", "300/1", "300/1")


def test_exif_is_written_as_recorded() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker, Inc."
    exif[0x0112] = 1
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 1721), 0x9000: b"0230", 0x8827: 100})
    exif.get_ifd(0x8825).update(
        {0: b"\x02\x02\x00\x00", 1: "N", 2: (IFDRational(31), IFDRational(55), IFDRational(387, 100)), 3: "E"}
    )
    found = info(jpeg(exif=exif))
    assert found["Make"] == "Maker, Inc."
    assert found["ExposureTime"] == "1/1721"
    assert found["ExifVersion"] == "48 50 51 48"
    assert found["ISOSpeedRatings"] == "100"
    assert found["GPSVersionID"] == "2 2 0 0"
    assert found["GPSLatitude"] == "31deg 55' 3.870\" "
    assert (found["GPSLatitudeRef"], found["GPSLongitudeRef"]) == ("North", "East")
    assert found["ExifTag"].isdigit()
    assert list(found) == sorted(found)


def test_broken_exif_hides_nothing_else() -> None:
    found = info(jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert found["ImageWidth"] == "400"


def test_exif_that_points_nowhere_is_not_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    nowhere = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x010F, 2, 100, 1 << 30, 0)
    assert info(saved(Image.new("RGB", (4, 3)), "WEBP", exif=nowhere))["ImageWidth"] == "4"
    assert not recwarn.list


def test_what_is_no_picture_has_no_info() -> None:
    assert refusal(b"text", "image/info").ec == "0040-00000005"
