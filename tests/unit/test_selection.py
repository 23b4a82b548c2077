"""Selection: what is a source of the job, and why the rest is not."""

from datetime import UTC, datetime

import pytest

from worker.batch.document import Place
from worker.batch.entry import Filters, ListSource, ObjectsSource, PrefixSource, TableSource
from worker.batch.selection import OTHER_EXTENSION, Extensions, NotSelected, SourceObject, not_selected
from worker.oss.names import ObjectRef

PLACE = Place("job.yaml", 1, 1)
DAY = datetime(2026, 11, 22, tzinfo=UTC)
NIGHT = datetime(2026, 11, 22, 1, tzinfo=UTC)


def judged(key: str = "a.jpg", filters: Filters | None = None, **known: object) -> NotSelected | None:
    entry = PrefixSource(PLACE, "photos", "", filters or Filters())
    source = SourceObject("photos", key, **{"size": 1, "modified": DAY, **known})  # type: ignore[arg-type] # by the tests
    return not_selected(source, entry)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "d/a.Png", "a.webp", "a.bmp", "a.gif", "a.tif", "a.tiff", "a.heic", "a.heif", "a.avif"]
)
def test_images_are_selected_by_their_extension_in_any_case(name: str) -> None:
    assert judged(name) is None


@pytest.mark.parametrize("name", ["a.txt", "jpg", ".jpg", "a.jpg.bak", "d.jpg/a", "a."])
def test_other_names_are_no_images(name: str) -> None:
    assert judged(name) is NotSelected.NOT_AN_IMAGE


def test_with_include_any_extension_can_be_a_source() -> None:
    assert judged("a.raw", Filters(include=("*.raw",))) is None


def test_what_cannot_be_read_is_left_out() -> None:
    assert judged("d/") is NotSelected.DIRECTORY
    assert judged(size=0) is NotSelected.EMPTY
    assert judged(size=None) is None
    for name in ("Archive", "ColdArchive", "DeepColdArchive"):
        assert judged(storage_class=name) is NotSelected.ARCHIVED
    assert judged(storage_class="IA") is None


def test_the_first_reason_counts() -> None:
    assert judged("d/", size=0) is NotSelected.DIRECTORY
    assert judged("a.txt", size=0, storage_class="Archive") is NotSelected.EMPTY
    assert judged("a.txt", storage_class="Archive") is NotSelected.NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("filters", "key", "selected"),
    [
        (Filters(include=("*.jpg",)), "d/a.jpg", True),
        (Filters(include=("*.jpg",)), "a.JPG", False),
        (Filters(include=("*.JPG",), ignore_case=True), "a.jpg", True),
        (Filters(include=("*.png", "a*")), "a.jpg", True),
        (Filters(include=("d/*",)), "d/e/f.jpg", True),
        (Filters(include=("a.jp?",)), "a.jpg", True),
        (Filters(exclude=("*/draft/*",)), "d/draft/a.jpg", False),
        (Filters(exclude=("*/DRAFT/*",)), "d/draft/a.jpg", True),
        (Filters(exclude=("*/DRAFT/*",), ignore_case=True), "d/draft/a.jpg", False),
        (Filters(include=("*.jpg",), exclude=("b*",)), "b.jpg", False),
        (Filters(modified_after=DAY), "a.jpg", True),
        (Filters(modified_after=NIGHT), "a.jpg", False),
        (Filters(modified_before=NIGHT), "a.jpg", True),
        (Filters(modified_before=DAY), "a.jpg", False),
        (Filters(min_size=1, max_size=1), "a.jpg", True),
        (Filters(min_size=2), "a.jpg", False),
        (Filters(max_size=0), "a.jpg", False),
    ],
)
def test_filters(filters: Filters, key: str, selected: bool) -> None:
    assert judged(key, filters) == (None if selected else NotSelected.FILTERED)


def test_what_is_not_known_is_not_held_against_an_object() -> None:
    filters = Filters(modified_after=NIGHT, min_size=2)
    assert judged(filters=filters, size=None, modified=None) is None


@pytest.mark.parametrize(
    "entry",
    [
        ObjectsSource(PLACE, "photos", ("a",), (PLACE,)),
        ListSource(PLACE, "photos", "a.txt"),
        TableSource(PLACE, "photos", "a.csv", "csv"),
    ],
)
def test_keys_that_are_named_are_meant(entry: ObjectsSource | ListSource | TableSource) -> None:
    assert not_selected(SourceObject("photos", "notes/", size=0, storage_class="Archive"), entry) is None
    assert not_selected(SourceObject("photos", "out/a"), entry, [ObjectRef("photos", "out/")]) is NotSelected.OWN_TARGET


def test_the_jobs_own_targets_are_no_sources() -> None:
    entry = PrefixSource(PLACE, "photos", "", Filters(exclude=("*",)))
    own = [ObjectRef("photos", "thumbs/")]
    assert not_selected(SourceObject("photos", "thumbs/a.jpg"), entry, own) is NotSelected.OWN_TARGET
    assert not_selected(SourceObject("other", "thumbs/a.jpg"), entry, own) is NotSelected.FILTERED
    assert not_selected(SourceObject("photos", "a/thumbs/a.jpg"), entry, own) is NotSelected.FILTERED
    assert not_selected(SourceObject("other", "t/a.jpg"), entry, [ObjectRef("", "t/")]) is NotSelected.OWN_TARGET


def test_the_commonest_extensions_are_counted_in_lower_case() -> None:
    found = Extensions()
    for key in ("a.TXT", "d/b.txt", "c", "d.tar.gz", "e.tar.gz", "f.gz", f"g.{'x' * 17}"):
        found.add(key)
    assert found.commonest(3) == {"gz": 3, "txt": 2, "": 1}
    assert found.commonest(9)[OTHER_EXTENSION] == 1


def test_however_many_extensions_there_are_few_are_kept() -> None:
    found = Extensions()
    for number in range(5000):
        found.add(f"a.{number}")
    assert len(found.commonest(5000)) == 1001
    assert found.commonest(1) == {OTHER_EXTENSION: 4000}
