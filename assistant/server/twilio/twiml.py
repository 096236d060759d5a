"""TwiML, the XML in which Twilio is told what to do with a call."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

MEDIA_TYPE = "text/xml"


def connect(url: str, parameters: Mapping[str, str]) -> bytes:
    """Connects the call to the socket at `url`, both ways. When the socket is closed the call ends.

    The address takes no query; `parameters` come back in the start message.
    """
    response = Element("Response")
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=url)
    for name, value in parameters.items():
        SubElement(stream, "Parameter", name=name, value=value)
    return _written(response)


def reject() -> bytes:
    """Returns the response that makes the caller get the busy tone, at no charge."""
    response = Element("Response")
    SubElement(response, "Reject", reason="busy")
    return _written(response)


def _written(response: Element) -> bytes:
    text: bytes = ElementTree.tostring(response, encoding="utf-8", xml_declaration=True)
    return text
