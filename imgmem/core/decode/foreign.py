"""What files are that are not read, by their first bytes or by their extension."""

import re
from typing import NamedTuple, NoReturn

from imgmem.core.decode.heic import is_heif
from imgmem.core.decode.isobmff import brands
from imgmem.core.errors import RejectedImage

UNREAD = " is not read; "
"""Between the name of a format and its remedy."""
_PNG = "convert it to PNG first"
_MEDICAL = "convert its slices to PNG first, with a window of your choice (pydicom, dcm2niix)"
_VOLUME = "convert its slices to PNG first (nibabel)"
_SLIDE = "cut it into tiles first (OpenSlide, libvips dzsave)"
_MICROSCOPE = "convert its planes to PNG or TIFF first (bioio, Bio-Formats)"
_RAW = "develop it to PNG or TIFF first (rawpy, dcraw)"
_HEIC = (
    "install what reads it, with pip install 'imgmem[heic]', or convert it first, with "
    "heif-convert or sips -s format jpeg"
)
_NUMBERS = "not images but arrays: write each as PNG first"

_RAW_EXTENSIONS = "raw cr3 nef nrw arw srf sr2 dng pef srw erf kdc mrw 3fr iiq"


_COMPRESSED = {
    "a gzip file": b"\x1f\x8b",
    "a bzip2 file": b"BZh",
    "an xz file": b"\xfd7zXZ\0",
    "a zstd file": b"\x28\xb5\x2f\xfd",
    "a ZIP file": b"PK\3\4",
    "a 7z file": b"7z\xbc\xaf\x27\x1c",
    "a RAR file": b"Rar!\x1a\7",
}
"""What may be anything else, unpacked: its extension says more."""


class _Kind(NamedTuple):
    """A format that is not read: its name, the remedy, and how it shows itself."""

    name: str
    remedy: str
    begins: tuple[bytes, ...] = ()
    extensions: str = ""
    at: int = 0


def _said(kind: _Kind) -> str:
    return f"{kind.name}{UNREAD}{kind.remedy}"


_KINDS = (
    _Kind("DICOM", _MEDICAL, (b"DICM",), "dcm dicom ima", 128),
    _Kind("NIfTI", _VOLUME, (b"n+1\0", b"ni1\0"), "nii nii.gz", 344),
    _Kind("NRRD", _VOLUME, (b"NRRD",), "nrrd nhdr"),
    _Kind("MetaImage", _VOLUME, (b"ObjectType = Image",), "mha mhd"),
    _Kind("an MRC volume", _VOLUME, (b"MAP ",), "mrc map", 208),
    _Kind("a whole-slide image", _SLIDE, (), "svs ndpi mrxs scn vms vmu bif svslide"),
    _Kind("CZI", _MICROSCOPE, (b"ZISRAWFILE",), "czi"),
    _Kind("ND2", _MICROSCOPE, (b"\xda\xce\xbe\x0a",), "nd2"),
    _Kind("LIF", _MICROSCOPE, (), "lif"),
    _Kind("VSI", _MICROSCOPE, (), "vsi oib oif lsm"),
    _Kind("FITS", _NUMBERS, (b"SIMPLE  =",), "fits fit fts"),
    _Kind("a NumPy file", _NUMBERS, (b"\x93NUMPY",)),
    _Kind("HDF5", _NUMBERS, (b"\x89HDF\r\n\x1a\n",)),
    _Kind("a Canon raw photograph", _RAW, (b"CR\2\0",), "cr2 crw", 8),
    _Kind("a Fujifilm raw photograph", _RAW, (b"FUJIFILMCCD-RAW",), "raf"),
    _Kind("an Olympus raw photograph", _RAW, (b"IIRO", b"IIRS", b"MMOR"), "orf"),
    _Kind("a Panasonic raw photograph", _RAW, (b"IIU\0",), "rw2"),
    _Kind("a Sigma raw photograph", _RAW, (b"FOVb",), "x3f"),
    _Kind("a raw photograph", _RAW, (), _RAW_EXTENSIONS),
    _Kind("JPEG XL", _PNG, (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "jxl"),
    _Kind("JPEG XR", _PNG, (b"II\xbc",), "jxr wdp hdp"),
    _Kind("Photoshop", _PNG, (b"8BPS",), "psd psb"),
    _Kind("MNG", _PNG, (b"\x8aMNG", b"\x8bJNG"), "mng jng"),
    _Kind("GIMP", _PNG, (b"gimp xcf",), "xcf"),
    _Kind("Windows icon", _PNG, (b"\0\0\1\0",), "ico cur"),
    _Kind("Mac icon", _PNG, (b"icns",), "icns"),
    _Kind("OpenEXR", _PNG, (b"\x76\x2f\x31\x01",), "exr"),
    _Kind("Radiance HDR", _PNG, (b"#?RADIANCE", b"#?RGBE"), "hdr"),
    _Kind("QOI", _PNG, (b"qoif",), "qoi"),
    _Kind("BPG", _PNG, (b"BPG\xfb",), "bpg"),
    _Kind("FLIF", _PNG, (b"FLIF",), "flif"),
    _Kind("DDS", _PNG, (b"DDS ",), "dds"),
    _Kind("KTX", _PNG, (b"\xabKTX ",), "ktx ktx2"),
    _Kind("DjVu", _PNG, (b"AT&TFORM",), "djvu djv"),
    _Kind("JBIG2", _PNG, (b"\x97JB2\r\n",), "jb2 jbig2"),
    _Kind("Sun raster", _PNG, (b"\x59\xa6\x6a\x95",), "ras sun"),
    _Kind("SGI", _PNG, (b"\x01\xda\0\1", b"\x01\xda\1\1"), "sgi rgb bw"),
    _Kind("PostScript", _PNG, (b"%!PS", b"\xc5\xd0\xd3\xc6"), "eps ps"),
    _Kind("PDF", _PNG, (b"%PDF",)),
    _Kind("SVG", _PNG, (b"<svg",), "svgz"),
    _Kind("Windows metafile", _PNG, (b"\xd7\xcd\xc6\x9a",), "wmf emf"),
    _Kind("PFM", _PNG, (b"Pf", b"PF"), "pfm"),
    _Kind("PAM", _PNG, (b"P7",), "pam"),
    _Kind("XPM", _PNG, (b"/* XPM */",), "xpm"),
    _Kind("XBM", _PNG, (), "xbm"),
    _Kind("TGA", _PNG, (), "tga vda icb vst"),
    *(_Kind(name, "unpack it first", (begins,)) for name, begins in _COMPRESSED.items()),
    _Kind("PCX", _PNG, (), "pcx"),
    _Kind("DIB", _PNG, (), "dib"),
    _Kind("RLE", _PNG, (), "rle"),
)
_BY_EXTENSION = {word: kind for kind in _KINDS for word in kind.extensions.split()}
_PCX = re.compile(rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]")
_TGA_END = b"TRUEVISION-XFILE.\0"
UNRECOGNIZED = "unrecognized image format"
_VAGUE = {UNRECOGNIZED, *(_said(kind) for kind in _KINDS if kind.name in _COMPRESSED)}


def remedy_for(name: str) -> str | None:
    """What a file of that name is, if it is of a known format that is not read; else None."""
    parts = name.rpartition("/")[2].lower().split(".")
    for count in (2, 1):
        kind = _BY_EXTENSION.get(".".join(parts[-count:])) if len(parts) > count else None
        if kind:
            return _said(kind)
    return None


def named(reject: RejectedImage, name: str) -> RejectedImage:
    """The same reject, or what the extension says where the bytes say nothing."""
    remedy = remedy_for(name) if reject.detail in _VAGUE else None
    return RejectedImage("unsupported", remedy) if remedy else reject


def refuse(data: bytes) -> NoReturn:
    """Say what data that is of no format that is read looks like."""
    if not data:
        raise RejectedImage("empty", "0 bytes")
    if data[4:8] == b"ftyp":
        _refuse_media(data)
    if kind := _kind_of(data):
        raise RejectedImage("unsupported", _said(kind))
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise RejectedImage("not-an-image", "a Git LFS pointer; fetch the file with git lfs pull")
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise RejectedImage("not-an-image", "an HTML or XML page")
    if not data[:512].strip(b"\0"):
        raise RejectedImage("corrupt", "begins with zeros")
    text = not set(data[:512]) & set(range(9))
    raise RejectedImage("not-an-image", "text" if text else UNRECOGNIZED)


def _kind_of(data: bytes) -> _Kind | None:
    for kind in _KINDS:
        if kind.begins and data.startswith(kind.begins, kind.at):
            return kind
    if _PCX.match(data):
        return _BY_EXTENSION["pcx"]
    if data.endswith(_TGA_END):
        return _BY_EXTENSION["tga"]
    return _BY_EXTENSION["svgz"] if b"<svg" in data[:512].lower() else None


def _refuse_media(data: bytes) -> NoReturn:
    """Name an ISO base media file that is not AVIF (ISO/IEC 14496-12, 4.3)."""
    if is_heif(data):
        raise RejectedImage("unsupported", f"HEIC is not read; {_HEIC}")
    if b"crx " in brands(data):
        raise RejectedImage("unsupported", f"a Canon raw photograph is not read; {_RAW}")
    raise RejectedImage("unsupported", "a video or another ISO media file, not an image")
