"""What may be attached: the type is read from the content, never believed from the name.

Ten types, told apart by their first bytes and then by their structure. A general library would know two hundred types
and answer with likelihoods; here everything outside the list is refused, so the list itself is the code.

Pictures are drawn again: that takes out where and with what they were made (EXIF, GPS), hidden second pictures, and
whatever else hangs behind the pixels. Films lose the boxes that hold a place. Other files are kept byte for byte, with
the author names their programs wrote into them.
"""

import io
import re
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.utils.translation import gettext as _
from PIL import Image, ImageOps, ImageSequence

from gongzhi.tongue import later

LONGEST_SIDE = 3000  # pixels; an A4 page at 250 dpi stays readable
MOST_PIXELS = 60_000_000  # what is decoded at all: phones of today make 50 million, in all frames together
MOST_UNPACKED = 200 * 2**20
NAME_CHARACTERS, NAME_BYTES = 100, 200  # with the extension; file systems stop at 255 bytes

Image.MAX_IMAGE_PIXELS = MOST_PIXELS


class Rejected(Exception):
    """The file cannot be attached. The sentence is for the person who chose it and says what would help."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A file as it will be kept: cleaned name, media type, content."""

    name: str
    media_type: str
    content: bytes


# media type: its extensions, the usual one first
EXTENSIONS = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "application/pdf": ("pdf",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("xlsx",),
    "text/plain": ("txt", "text", "log", "md", "csv"),
    "audio/mpeg": ("mp3",),
    "audio/mp4": ("m4a",),
    "video/mp4": ("mp4", "m4v"),
    "video/quicktime": ("mov",),
}
WORDS = later(
    "照片（JPG、PNG、WebP、GIF）、PDF、Word（docx）、Excel（xlsx）、文本（txt）、录音（mp3、m4a）和视频（mp4、mov）"
)
_KNOWN = {extension for extensions in EXTENSIONS.values() for extension in extensions}
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}


def admit(name: str, content: bytes) -> Admitted:
    """Return the file as it may be kept. Raises Rejected."""
    shown = clean_name(name)
    if not content:
        raise Rejected(_("“{shown}”是空文件，请重新选择。").format(shown=shown))
    media_type = _sniff(shown, content)
    if media_type.startswith("image/"):
        content = _redraw(shown, media_type, content)
    elif media_type in ("video/mp4", "video/quicktime", "audio/mp4"):
        content = _without_place(content)
    return Admitted(clean_name(name, media_type), media_type, content)


def clean_name(name: str, media_type: str | None = None) -> str:
    """Return a file name that is safe to show and to offer: no path, no control or bidirectional characters.

    Chinese and emoji stay. With a media type the extension is made to fit it, so a name cannot say something else.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    name = "".join(
        c for c in name if c == "\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")
    )
    name = re.sub(r'[<>:"|?*]', "_", re.sub(r"\s+", " ", name)).strip(" .")
    stem, extension = name, ""
    path = PurePosixPath(name)
    if path.suffix[1:].lower() in _KNOWN:
        stem, extension = path.stem, path.suffix.lower()
    if media_type:
        fitting = EXTENSIONS[media_type]
        extension = extension if extension[1:] in fitting else f".{fitting[0]}"
    stem = stem[: NAME_CHARACTERS - len(extension)]
    stem = stem.encode()[: NAME_BYTES - len(extension)].decode(errors="ignore").rstrip(" .\u200d\ufe0f")
    if not stem:
        stem = _("附件")
    if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", stem):  # names that Windows keeps for devices
        stem = f"_{stem}"
    return stem + extension


# --- types ----------------------------------------------------------------------------------------------------------


def _sniff(name: str, content: bytes) -> str:  # noqa: C901 (one line for each type)
    head = content[:16]
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"%PDF-"):
        if b"%%EOF" not in content[-4096:]:
            raise Rejected(_("“{name}”不完整，可能没有传完。请重新上传。").format(name=name))
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _office(name, content)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise Rejected(
            _("“{name}”是旧版或加密的 Office 文件。请去掉密码，另存为 docx、xlsx 或 PDF 后再上传。").format(name=name)
        )
    if head.startswith(b"ID3") or (head[0] == 0xFF and len(head) > 1 and head[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    if head[4:8] == b"ftyp":
        return _film(name, content)
    if head.startswith(_PROGRAMS):
        raise Rejected(_("“{name}”是一个程序，不能作为附件。可以上传：{words}。").format(name=name, words=WORDS))
    if _is_text(name, content):
        return "text/plain"
    raise Rejected(_("“{name}”的类型不能上传。可以上传：{words}。").format(name=name, words=WORDS))


def _film(name: str, content: bytes) -> str:
    brand = content[8:12]
    if brand in _HEIC:
        raise Rejected(
            _("“{name}”是 HEIC/AVIF 照片，许多电脑打不开。请在相机设置里选“兼容性最佳”，或转成 JPG 后再上传。").format(
                name=name
            )
        )
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if brand[:3] in (b"iso", b"mp4", b"avc", b"M4V", b"3gp", b"das", b"MSN"):
        return "video/mp4"
    raise Rejected(_("“{name}”的视频格式不能识别。请转成 mp4 后再上传。").format(name=name))


def _is_text(name: str, content: bytes) -> bool:
    """Whether this is plain text by its name and its content: UTF-8, UTF-16 with its mark, or GB18030."""
    suffix = PurePosixPath(name).suffix[1:].lower()
    if suffix not in ("", *EXTENSIONS["text/plain"]):
        return False
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return not re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]", text)
    return False


def _office(name: str, content: bytes) -> str:
    """Return the Word or Excel type of a ZIP file. Raises Rejected for other archives, programs, macros and bombs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = {entry.filename.lower() for entry in entries}
            if len(entries) > 5000 or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
                raise Rejected(_("“{name}”解开后太大，不能上传。").format(name=name))
            if "[content_types].xml" not in names:
                program = "androidmanifest.xml" in names or "meta-inf/manifest.mf" in names
                what = _("程序") if program else _("压缩包")
                raise Rejected(
                    _("“{name}”是一个{what}，不能作为附件。请逐个上传其中的文件：{words}。").format(
                        name=name, what=what, words=WORDS
                    )
                )
            with archive.open(next(e for e in entries if e.filename.lower() == "[content_types].xml")) as file:
                types = file.read(2**20).lower()
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise Rejected(_("“{name}”已损坏或加了密码，打不开。请重新导出后上传。").format(name=name)) from error
    if damaged:
        raise Rejected(_("“{name}”已损坏，可能没有传完。请重新上传。").format(name=name))
    if b"macroenabled" in types or any(
        re.search(r"vbaproject|macrosheets/|activex/|embeddings/.*\.bin", n) for n in names
    ):
        raise Rejected(
            _("“{name}”带有宏或嵌入的程序。请另存为不含宏的 docx、xlsx，或导出为 PDF 后再上传。").format(name=name)
        )
    if "word/document.xml" in names:
        return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    if "xl/workbook.xml" in names:
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    raise Rejected(_("“{name}”的类型不能上传。可以上传：{words}。").format(name=name, words=WORDS))


# --- pictures and films ---------------------------------------------------------------------------------------------

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}


def _redraw(name: str, media_type: str, content: bytes) -> bytes:
    """Return the picture drawn again from its pixels, upright, at most LONGEST_SIDE long, without metadata."""
    form = _FORMATS[media_type]
    target = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=[form]) as picture:
            frames = (
                getattr(picture, "n_frames", 1) if form in ("GIF", "WEBP") else 1
            )  # a JPEG's second frame is hidden
            if picture.width * picture.height * frames > MOST_PIXELS:
                raise Rejected(_("“{name}”的像素太多，请缩小后再上传。").format(name=name))
            if frames > 1:
                _redraw_moving(name, picture, form, target)
            else:
                _redraw_still(picture, form, target)
    except Image.DecompressionBombError as error:
        raise Rejected(_("“{name}”的像素太多，请缩小后再上传。").format(name=name)) from error
    except (OSError, SyntaxError, ValueError, KeyError, EOFError, IndexError, TypeError, OverflowError) as error:
        raise Rejected(_("“{name}”不是完整的图片，可能已损坏或没有传完。请重新选择。").format(name=name)) from error
    return target.getvalue()


def _redraw_still(picture: Image.Image, form: str, target: io.BytesIO) -> None:
    picture.draft(
        "RGB", (LONGEST_SIDE, LONGEST_SIDE)
    )  # JPEG only: decodes a huge photo at half its size, 4 times faster
    upright = ImageOps.exif_transpose(picture)
    if max(upright.size) > LONGEST_SIDE and upright.mode not in ("L", "LA", "RGB", "RGBA"):
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")  # palettes cannot be scaled well
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    colours = {"JPEG": ("L", "RGB"), "WEBP": ("RGB", "RGBA"), "GIF": ("L", "P", "RGB", "RGBA")}
    if upright.mode not in colours.get(form, ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")):
        upright = upright.convert("RGBA" if form != "JPEG" and upright.has_transparency_data else "RGB")
    profile = picture.info.get("icc_profile")
    clear = upright.info.get("transparency")
    upright.info = {} if clear is None else {"transparency": clear}
    if form == "JPEG":
        upright.save(target, form, quality=85, optimize=True, icc_profile=_small(profile))
    elif form == "WEBP":
        upright.save(target, form, quality=85, icc_profile=_small(profile))
    else:
        upright.save(target, form, optimize=True)


def _redraw_moving(name: str, picture: Image.Image, form: str, target: io.BytesIO) -> None:
    if max(picture.size) > LONGEST_SIDE:
        raise Rejected(_("“{name}”的像素太多，请缩小后再上传。").format(name=name))
    frames, pauses = [], []
    for frame in ImageSequence.Iterator(picture):
        pauses.append(int(frame.info.get("duration", 100)))
        copy = frame.convert("RGBA")
        copy.info = {}
        frames.append(copy)
    frames[0].save(target, form, save_all=True, append_images=frames[1:], duration=pauses, loop=0)


def _small(profile: bytes | None) -> bytes | None:
    return (
        profile if profile and len(profile) <= 65_536 else None
    )  # a colour profile is needed and says nothing of a place


_PARENTS = (b"moov", b"trak")
_TELLING = (b"udta", b"meta")  # user data (©xyz holds the place) and QuickTime's metadata (location.ISO6709)


def _without_place(content: bytes) -> bytes:
    """Return a film whose boxes of user data are emptied in place: every offset stays as it was."""
    film = bytearray(content)
    _empty_boxes(film, 0, len(film), 0)
    return bytes(film)


def _empty_boxes(film: bytearray, start: int, end: int, depth: int) -> None:
    while start + 8 <= end:
        size, kind, head = int.from_bytes(film[start : start + 4]), bytes(film[start + 4 : start + 8]), 8
        if size == 1:
            size, head = int.from_bytes(film[start + 8 : start + 16]), 16
        elif size == 0:
            size = end - start
        stop = start + size
        if size < head or stop > end:
            return
        if kind in _TELLING:
            film[start + 4 : start + 8] = b"free"
            film[start + head : stop] = bytes(stop - start - head)
        elif kind in _PARENTS and depth < 4:
            _empty_boxes(film, start + head, stop, depth + 1)
        start = stop
