#!/usr/bin/env python3
"""Makes the sample files beside it, each with the program that people's files come from.

Needs ffmpeg (with libx264, libvpx, libopus), heif-enc (libheif), jpegtran (libjpeg-turbo), and the Python packages Pillow,
odfpy, openpyxl, python-docx, python-pptx, xlwt, msoffcrypto-tool and reportlab. The tests need none of them: they read what is
committed. Pictures and tones are synthetic, and no file names a person, a place or a device.

Usage: make.py [FOLDER]
"""

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import docx
import msoffcrypto.format.ooxml
import openpyxl
import pptx
import xlwt
from odf.opendocument import OpenDocumentText
from odf.text import P
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

HERE = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
PICTURE = "testsrc=size=48x32:rate=5:duration=0.4"
TONE = "sine=frequency=440:duration=0.2"
CLEAN = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


def ffmpeg(name, *arguments, picture=True, tone=True):
    inputs = []
    for wanted, source in ((picture, PICTURE), (tone, TONE)):
        inputs += ["-f", "lavfi", "-i", source] if wanted else []
    command = ["ffmpeg", "-y", "-loglevel", "error", *inputs, *CLEAN, *arguments, str(HERE / name)]
    subprocess.run(command, check=True)


def media():
    h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "45", "-x264-params", "no-info=1:sei=0"]
    aac = ["-c:a", "aac", "-b:a", "24k", "-ac", "1"]
    ffmpeg("clip.mp4", *h264, *aac)
    ffmpeg("clip-fragmented.mp4", *h264, *aac, "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    ffmpeg("clip.mov", *h264, *aac)
    ffmpeg("clip.3gp", *h264, *aac)
    ffmpeg("clip.mkv", *h264, *aac)
    ffmpeg("clip.webm", "-c:v", "libvpx", "-b:v", "20k", "-c:a", "libopus", "-b:a", "16k")
    opus = ["-c:a", "libopus", "-b:a", "16k"]
    ffmpeg("voice.m4a", *aac, picture=False)
    ffmpeg("voice.mp4", *aac, "-movflags", "faststart", "-f", "mp4", picture=False)
    ffmpeg("voice.webm", *opus, picture=False)
    ffmpeg("voice-live.webm", *opus, "-f", "webm", "-live", "1", picture=False)
    ffmpeg("voice.mka", *opus, picture=False)
    ffmpeg("voice.3gp", *aac, picture=False)
    # Few builds of ffmpeg encode AMR: five frames of 12.2 kbit/s (RFC 4867, section 5.3).
    (HERE / "voice.amr").write_bytes(b"#!AMR\n" + 5 * (b"\x3c" + bytes(range(1, 32))))
    ffmpeg("voice.aac", *aac, picture=False)
    ffmpeg("voice.flac", "-ac", "1", "-ar", "8000", "-sample_fmt", "s16", picture=False)
    ffmpeg("voice.mp3", "-c:a", "libmp3lame", "-b:a", "16k", "-ac", "1", "-ar", "16000", picture=False)
    ffmpeg("voice-untagged.mp3", "-c:a", "libmp3lame", "-b:a", "16k", "-ac", "1", "-ar", "16000",
           "-id3v2_version", "0", "-write_xing", "0", picture=False)
    for name in ("voice.aac", "voice.flac"):
        tag = b"ID3\x04\0\0" + bytes([0, 0, 0, 20]) + bytes(20)
        (HERE / name.replace(".", "-tagged.")).write_bytes(tag + (HERE / name).read_bytes())
    ffmpeg("voice.opus", *opus, picture=False)
    ffmpeg("voice.ogg", "-c:a", "libvorbis", "-ac", "1", "-ar", "8000", "-aq", "0", picture=False)
    ffmpeg("voice.wav", "-ar", "8000", picture=False)


def images():
    picture = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
    for name in ("photo.bmp", "photo.tif", "photo.jfif"):
        format = "JPEG" if name.endswith("jfif") else None
        picture.save(HERE / name, format=format, **({"compression": "tiff_lzw"} if name == "photo.tif" else {}))
    picture.save(HERE / "photo-restarts.jpg", restart_marker_rows=1, subsampling=0)
    subprocess.run(["jpegtran", "-arithmetic", "-copy", "none", "-outfile", HERE / "photo-arithmetic.jpg",
                    HERE / "photo-restarts.jpg"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photo.png"
        picture.save(source)
        for name, more in (("photo.heic", []), ("photo.avif", ["-A"])):
            subprocess.run(["heif-enc", "-q", "30", *more, "-o", HERE / name, source], check=True,
                           stdout=subprocess.DEVNULL)


def office():
    book = openpyxl.Workbook()
    book.active["A1"] = "Total"
    book.properties.creator = ""
    book.save(HERE / "budget.xlsx")
    old = xlwt.Workbook()
    old.owner = ""
    old.add_sheet("a").write(0, 0, "Total")
    old.save(HERE / "budget.xls")
    letter = docx.Document()
    letter.core_properties.author = ""
    letter.add_paragraph("Hello")
    letter.save(HERE / "letter.docx")
    deck = pptx.Presentation()
    deck.core_properties.author = ""
    deck.slides.add_slide(deck.slide_layouts[6])
    deck.save(HERE / "deck.pptx")
    # Scripts that fill in a template compress its type along with the rest.
    packed = OpenDocumentText()
    packed.text.addElement(P(text="Hello"))
    packed.save(HERE / "letter-packed.odt")
    for name in ("letter.docx", "deck.pptx", "letter-packed.odt"):
        squeeze(HERE / name)
    for name in ("budget.xlsx", "letter.docx", "deck.pptx"):
        plain = io.BytesIO((HERE / name).read_bytes())
        with open(HERE / f"protected-{name}", "wb") as protected:
            msoffcrypto.format.ooxml.OOXMLFile(plain).encrypt("secret", protected)


def squeeze(path):
    """Drops what the template brings along and no test needs: previews, printer settings, unused layouts' weight."""
    kept = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in old.namelist():
            if "thumbnail" not in name and "printerSettings" not in name and "slideLayouts" not in name:
                new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    path.write_bytes(kept.getvalue())


def papers():
    canvas = Canvas(str(HERE / "report.pdf"), pagesize=(100, 100), invariant=True)
    canvas.setAuthor("")
    canvas.drawString(10, 50, "Total")
    canvas.save()


def texts():
    mail = "From: a@example.org\r\nSubject: Gr\u00fc\u00dfe\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nMfG M\u00fcller\r\n"
    for name, text, encoding in (
        ("cp1252.csv", "Name;Betrag\r\nM\u00fcller;12,50 \u20ac\r\n", "cp1252"),
        ("utf-16le.txt", "\ufeffGr\u00fc\u00dfe, 12,50 \u20ac \U0001f44b\r\n", "utf-16-le"),
        ("utf-16be.csv", "\ufeffName;Betrag\r\nM\u00fcller;12,50 \u20ac\r\n", "utf-16-be"),
        ("utf-16le-unmarked.txt", "Gr\u00fc\u00dfe, 12,50 \u20ac\r\n", "utf-16-le"),
        ("utf-32le.txt", "\ufeffGr\u00fc\u00dfe\r\n", "utf-32-le"),
        ("shift-jis.txt", "\u304a\u554f\u3044\u5408\u308f\u305b\u756a\u53f7\uff1a\u8868\u793a\u30bd\u30d5\u30c8\r\n", "shift_jis"),
        ("euc-jp.txt", "\u304a\u554f\u3044\u5408\u308f\u305b\u756a\u53f7\r\n", "euc_jp"),
        ("iso-2022-jp.txt", "\u304a\u554f\u3044\u5408\u308f\u305b\u756a\u53f7\r\n", "iso2022_jp"),
        ("cp949.txt", "\uc548\ub155\ud558\uc138\uc694\r\n", "cp949"),
        ("gb18030.csv", "\u59d3\u540d,\u91d1\u989d\r\n\u738b,12\r\n", "gb18030"),
        ("big5.txt", "\u60a8\u597d\uff0c\u529f\u80fd\r\n", "big5"),
        ("koi8-r.txt", "\u042f\u0432\u043b\u044f\u0435\u0442\u0441\u044f \u043e\u0448\u0438\u0431\u043a\u043e\u0439\r\n", "koi8_r"),
        ("cp1251.txt", "\u044f\u0432\u043b\u044f\u0435\u0442\u0441\u044f \u043e\u0448\u0438\u0431\u043a\u043e\u0439\r\n", "cp1251"),
        ("cp437.txt", "\u2554\u2550\u2557 Caf\u00e9 \u2560\u2550\u2563\r\n\x1a", "cp437"),
        ("macroman.txt", "Caf\u00e9 \u2014 na\u00efve\r", "mac_roman"),
        ("latin-1.eml", mail, "latin-1"),
    ):
        (HERE / name).write_bytes(text.encode(encoding))


if __name__ == "__main__":
    media()
    images()
    office()
    papers()
    texts()
