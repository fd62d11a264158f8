"""What may be attached: types by content, pictures without places, names that lie."""

import io
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from gongzhi.kernel import admission
from gongzhi.kernel.admission import Rejected, admit, clean_name

GPS = {1: "N", 2: (33.0, 36.0, 1.5), 3: "E", 4: (119.0, 1.0, 9.5)}


def picture(form, size=(60, 40), **options):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1] // 2), fill="red")
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def telling_exif(orientation=1):
    exif = Image.Exif()
    exif[0x0110] = "SECRETPHONE"
    exif[0x0112] = orientation
    exif.get_ifd(0x8825).update(GPS)
    return exif


def workbook():
    target = io.BytesIO()
    book = openpyxl.Workbook()
    book.active["A1"] = "小区"
    book.save(target)
    return target.getvalue()


def archive(**members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return target.getvalue()


def word(**more):
    return archive(**{"[Content_Types].xml": "<Types/>", "word__document.xml": "<w/>"}, **more)


def box(kind, content):
    return (len(content) + 8).to_bytes(4) + kind + content


def film(brand=b"mp42"):
    place = box(b"\xa9xyz", b"+33.6004+119.0193/")
    track = box(b"trak", box(b"tkhd", b"t" * 20) + box(b"meta", b"location.ISO6709 +33.6004"))
    return (
        box(b"ftyp", brand + bytes(4))
        + box(b"moov", box(b"mvhd", b"h" * 20) + track + box(b"udta", place))
        + box(b"mdat", b"frames udta meta moov")
    )


PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"

GOOD = [
    ("a.jpg", picture("JPEG"), "image/jpeg"),
    ("a.png", picture("PNG"), "image/png"),
    ("a.webp", picture("WEBP"), "image/webp"),
    ("a.gif", picture("GIF"), "image/gif"),
    ("a.pdf", PDF, "application/pdf"),
    ("a.xlsx", workbook(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("a.docx", word(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("a.txt", "路灯不亮\r\n".encode(), "text/plain"),
    ("a.txt", "路灯不亮\r\n".encode("gb18030"), "text/plain"),
    ("a.txt", "\ufeff路灯不亮".encode(), "text/plain"),
    ("a.txt", "路灯不亮\r\n".encode("utf-16"), "text/plain"),
    ("a.mp3", b"ID3\x04" + bytes(100), "audio/mpeg"),
    ("a.mp3", b"\xff\xfb\x90\x00" + bytes(100), "audio/mpeg"),
    ("a.m4a", film(b"M4A "), "audio/mp4"),
    ("a.mp4", film(), "video/mp4"),
    ("a.mov", film(b"qt  "), "video/quicktime"),
]


@pytest.mark.parametrize(("name", "content", "media_type"), GOOD)
def test_admitted(name, content, media_type):
    admitted = admit(name, content)
    assert (admitted.name, admitted.media_type) == (name, media_type)
    if not media_type.startswith(("image/", "video/", "audio/mp4")):
        assert admitted.content == content
    again = admit(name, admitted.content)  # what is kept would be admitted again
    assert again.media_type == media_type


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("照片.jpg", b"MZ\x90\x00" + bytes(200), "“照片.jpg”是一个程序"),
        ("照片.jpg", b"\x7fELF" + bytes(200), "程序"),
        ("照片.txt", b"#!/bin/sh\nrm -rf /\n", "程序"),
        ("应用.apk", archive(**{"AndroidManifest.xml": "x"}), "程序"),
        ("a.zip", archive(**{"a.jpg": "x"}), "压缩包"),
        ("a.svg", b"<svg onload='alert(1)'/>", "类型不能上传"),
        ("a.html", b"<script>alert(1)</script>", "类型不能上传"),
        ("a.bat", b"del *.*", "类型不能上传"),
        ("a.txt", b"\x00\x01\x02" * 50, "类型不能上传"),
        ("a.jpg", b"\x00" * 100, "类型不能上传"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + bytes(50), "类型不能上传"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "旧版或加密的 Office"),
        ("a.heic", box(b"ftyp", b"heic" + bytes(8)), "HEIC"),
        ("a.mp4", box(b"ftyp", b"zzzz" + bytes(8)), "转成 mp4"),
        ("a.docm", word(**{"word__vbaProject.bin": "x"}), "宏"),
        ("a.docx", archive(**{"[Content_Types].xml": "macroEnabled", "word__document.xml": "x"}), "宏"),
        ("a.docx", word(**{"word__embeddings__oleObject1.bin": "x"}), "宏"),
        ("a.docx", word()[:-30], "已损坏"),
        ("a.docx", word().replace(b"PK\x01\x02", b"PK\x01\x03"), "已损坏"),
        ("a.pptx", archive(**{"[Content_Types].xml": "x", "ppt__presentation.xml": "x"}), "类型不能上传"),
        ("a.pdf", PDF[:-8], "没有传完"),
        ("a.jpg", picture("JPEG", (600, 400))[:-400], "没有传完"),
        ("a.png", picture("PNG")[:60], "没有传完"),
        ("a.gif", b"GIF89a", "没有传完"),
        ("a.webp", b"RIFF\x20\x00\x00\x00WEBPVP8 ", "没有传完"),
        ("空.txt", b"", "空文件"),
    ],
)
def test_rejected_with_a_sentence(name, content, sentence):
    with pytest.raises(Rejected) as caught:
        admit(name, content)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("。")


def test_damaged_member_of_an_office_file():
    content = bytearray(workbook())
    content[len(content) // 3] ^= 0xFF
    with pytest.raises(Rejected):
        admit("a.xlsx", bytes(content))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_unopened():
    with pytest.raises(Rejected, match="解开后太大"):
        admit("a.docx", word(bomb=bytes(admission.MOST_UNPACKED)))
    huge = Image.new("1", (9000, 9000))
    target = io.BytesIO()
    huge.save(target, "PNG")
    assert len(target.getvalue()) < 20_000
    with pytest.raises(Rejected, match="像素太多"):
        admit("a.png", target.getvalue())
    small = [Image.new("1", (1500, 1500), n % 2) for n in range(30)]
    target = io.BytesIO()
    small[0].save(target, "GIF", save_all=True, append_images=small[1:])
    with pytest.raises(Rejected, match="像素太多"):
        admit("a.gif", target.getvalue())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_lose_place_and_device(form):
    content = picture(form, exif=telling_exif())
    assert b"SECRETPHONE" in content
    kept = admit("a", content).content
    assert b"SECRETPHONE" not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert not image.getexif()
        assert image.size == (60, 40)


def test_comments_and_tails_are_gone():
    for content in (
        picture("JPEG", comment=b"SECRET"),
        picture("GIF", comment=b"SECRET"),
        picture("JPEG") + b"<script>SECRET</script>",
        picture("PNG") + archive(SECRET="x"),
    ):
        assert b"SECRET" in content
        assert b"SECRET" not in admit("a", content).content


def test_pictures_stand_upright():
    kept = admit("a.jpg", picture("JPEG", exif=telling_exif(orientation=6))).content
    with Image.open(io.BytesIO(kept)) as image:
        assert image.size == (40, 60)
        assert image.convert("RGB").getpixel((35, 5))[1] < 60  # the red corner has turned to the right


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_large_pictures_are_made_smaller(form):
    with Image.open(io.BytesIO(admit("a", picture(form, (6000, 300))).content)) as image:
        assert image.size == (3000, 150)


def in_every_mode():
    for form in ("JPEG", "PNG", "WEBP", "GIF"):
        for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "F"):
            for width in (20, admission.LONGEST_SIDE + 100):
                target = io.BytesIO()
                try:
                    Image.new(mode, (width, 20)).save(target, form)
                except (OSError, ValueError, KeyError):  # Pillow itself cannot write this mode in this form
                    continue
                yield pytest.param(target.getvalue(), id=f"{form}-{mode}-{width}")


@pytest.mark.parametrize("content", list(in_every_mode()))
def test_every_colour_mode(content):
    assert admit("a", content).content


def test_transparency_and_movement_stay():
    target = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(target, "PNG")
    with Image.open(io.BytesIO(admit("a", target.getvalue()).content)) as image:
        assert image.convert("RGBA").getpixel((3, 3))[3] == 0
    for form in ("GIF", "WEBP"):
        frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "green", "blue")]
        target = io.BytesIO()
        frames[0].save(target, form, save_all=True, append_images=frames[1:], duration=200, lossless=True)
        with Image.open(io.BytesIO(admit("a", target.getvalue()).content)) as image:
            assert image.n_frames == 3


def test_films_lose_their_place_and_keep_their_offsets():
    content = film()
    kept = admit("a.mp4", content).content
    assert b"+33.6004" not in kept
    assert len(kept) == len(content)
    assert kept.endswith(b"frames udta meta moov")
    assert b"t" * 20 in kept
    assert b"h" * 20 in kept


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_boxes_of_any_size_do_no_harm(tail):
    content = box(b"ftyp", b"mp42" + bytes(4)) + tail
    assert len(admit("a.mp4", content).content) == len(content)


HEADS = [content[:12] for _, content, _ in GOOD] + [b""]


@given(st.sampled_from(HEADS), st.binary(max_size=200), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_anything_is_admitted_or_rejected(head, tail, name):
    try:
        admitted = admit(name, head + tail)
    except Rejected as rejected:
        assert str(rejected).endswith("。")
    else:
        assert admitted.media_type in admission.EXTENSIONS


@pytest.mark.parametrize(
    ("name", "media_type", "clean"),
    [
        ("照片😀.jpg", "image/jpeg", "照片😀.jpg"),
        ("👨‍👩‍👧家.JPEG", "image/jpeg", "👨‍👩‍👧家.jpeg"),
        ("截图.jpg", "image/png", "截图.png"),
        ("合同.v2", "application/pdf", "合同.v2.pdf"),
        ("setup.exe", "image/jpeg", "setup.exe.jpg"),
        ("C:\\用户\\张三\\照片.jpg", "image/jpeg", "照片.jpg"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("a\r\nSet-Cookie: x.txt", "text/plain", "aSet-Cookie_ x.txt"),
        ("photo\u202egpj.exe", "image/jpeg", "photogpj.exe.jpg"),
        ('a"b<c>.pdf', "application/pdf", "a_b_c_.pdf"),
        ("", "application/pdf", "附件.pdf"),
        ("...", "application/pdf", "附件.pdf"),
        ("/", "application/pdf", "附件.pdf"),
        (".jpg", "image/jpeg", "jpg.jpg"),
        ("CON.txt", "text/plain", "_CON.txt"),
        ("a\u3000 b .txt", "text/plain", "a b.txt"),
        ("\ud800坏.txt", "text/plain", "坏.txt"),
    ],
)
def test_names(name, media_type, clean):
    assert clean_name(name, media_type) == clean


@given(st.text(st.characters(), max_size=400), st.sampled_from([None, *admission.EXTENSIONS]))
@settings(max_examples=300, deadline=None)
def test_any_name_becomes_safe(name, media_type):
    clean = clean_name(name, media_type)
    assert clean
    assert len(clean) <= admission.NAME_CHARACTERS + 1
    assert len(clean.encode()) <= admission.NAME_BYTES + 1
    assert not set(clean) & set('/\\<>:"|?*\0\n\r\u202e')
    assert clean == clean.strip()
    assert not clean.startswith(".")
    if media_type:
        assert clean.rsplit(".", 1)[1] in admission.EXTENSIONS[media_type]
