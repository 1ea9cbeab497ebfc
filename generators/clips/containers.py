"""Sizes that video files declare: a truncated file may decode without any error."""

import struct
from pathlib import Path
from typing import BinaryIO

BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"uuid"}
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def promised_size(path: Path) -> int:
    """Read how many bytes a file must have according to its own header.

    Args:
        path: An mp4 or mov file, whose boxes declare their sizes, or a Matroska or WebM file,
            whose segment does.

    Returns:
        The size; 0 for other containers and for files that declare none, such as live recordings.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        stream.seek(0)
        if start[4:8] in BOXES:
            return _end_of_boxes(stream, size)
        return _end_of_segment(stream) if start[:4] == EBML else 0


def _end_of_boxes(stream: BinaryIO, size: int) -> int:
    """Offset at which the last box of an mp4 file ends; it may lie beyond the file."""
    end = 0
    while end < size:
        stream.seek(end)
        head = stream.read(16)
        if len(head) < 8 or head[4:8] not in BOXES:
            break  # padding, or an unknown box
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0 means: up to the end of the file
            break
        end += length
    return end


def _end_of_segment(stream: BinaryIO) -> int:
    """Offset at which the segment of a Matroska file ends; 0 if its length is unknown."""
    stream.seek(len(EBML))
    header = _length(stream)
    if header is None:
        return 0
    stream.seek(header, 1)
    if stream.read(4) != SEGMENT:
        return 0
    segment = _length(stream)
    return 0 if segment is None else stream.tell() + segment


def _length(stream: BinaryIO) -> int | None:
    """Read a length of 1 to 8 bytes; the leading zeros of its first byte, plus one, count them."""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    rest = stream.read(extra)
    mark = 1 << (7 * (extra + 1))
    value = int.from_bytes(first + rest) - mark
    return None if len(rest) < extra or value == mark - 1 else value  # all ones: unknown
