"""Sizes that video files declare: a truncated file may decode without any error."""

import struct
from pathlib import Path
from typing import BinaryIO

BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"uuid"}
RIFF = b"RIFF"
IMAGE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B  # beginnings of a gif's blocks
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def promised_size(path: Path) -> int:
    """Read how many bytes a file must have according to its own header.

    Args:
        path: An mp4 or mov file, whose boxes declare their sizes, a Matroska or WebM file,
            whose segment does, or an AVI file, whose chunks do.

    Returns:
        The size; 0 for other containers and for files that declare none, such as live recordings.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        stream.seek(0)
        if start[4:8] in BOXES:
            return _end_of_boxes(stream, size)
        if start[:4] == RIFF:
            return _end_of_riff(stream, size)
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


def gif_is_whole(path: Path) -> bool:
    """Whether a gif's blocks lead to its trailer; whatever follows it is no part of the gif."""
    with path.open("rb") as stream:
        head = stream.read(13)
        if len(head) < 13 or head[:3] != b"GIF":
            return False
        stream.seek(_colours(head[10]), 1)
        while True:
            kind = stream.read(1)
            if not kind or kind[0] == TRAILER:
                return bool(kind)
            if kind[0] == IMAGE:
                description = stream.read(9)
                if len(description) < 9:
                    return False
                stream.seek(_colours(description[8]) + 1, 1)
            elif kind[0] == EXTENSION:
                stream.seek(1, 1)
            elif kind[0]:
                return False
            else:
                continue  # padding between blocks
            while length := stream.read(1)[:1]:
                if not length[0]:
                    break
                stream.seek(length[0], 1)
            else:
                return False


def _colours(flags: int) -> int:
    """Bytes of a table of colours that a gif's flags declare."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_riff(stream: BinaryIO, size: int) -> int:
    """Offset at which the last RIFF chunk of an AVI file ends; files above 1 GB have several."""
    end = 0
    while end < size:
        stream.seek(end)
        head = stream.read(8)
        length = struct.unpack("<I", head[4:])[0] if len(head) == 8 else 0
        if head[:4] != RIFF or length in (0, 0xFFFFFFFF):  # padding, or a live recording
            break
        end += 8 + length
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
