"""Reading the XML documents that some requests bring."""

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from worker.emulator import refusals

_MOST_TAGS = 100_000  # 10,000 parts have 60,002; a million of them would take seconds and hundreds of megabytes


def request_document(body: bytes, root: str, ec: str = refusals.MALFORMED_XML) -> Element:
    """The document in a request's body, refused with the detailed code `ec`. Its tags have no namespace.

    Raises:
        RefusedError: It is no such document, or one that defines entities or has more tags than any has need of.
    """
    if body.count(b"<") > _MOST_TAGS:
        raise refusals.malformed_xml(ec)
    try:
        element: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # an encoding that nobody knows
        raise refusals.malformed_xml(ec) from None
    for each in element.iter():
        each.tag = str(each.tag).rpartition("}")[2]
    if element.tag != root:
        raise refusals.malformed_xml(ec)
    return element
