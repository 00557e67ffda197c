"""What the world calls the columns of label tables."""

import re

_PATHS = """
    path filepath filepaths file filename filenames fname fpath imagepath imgpath imagefile
    imgfile imagefilename imgfilename imagefilepath imagename imgname image images img
    imageindex xrayimagename relpath relativepath relativepathtoimage picture photo
    imagelocation
"""
_IDS = """
    imageid imgid imgidx idcode id uuid guid name isicid photoid pictureid fileid sampleid
    imagenumber imagekey key sopinstanceuid studyinstanceuid imageuid
"""
_WIDER = "patientid caseid"
PATH_NAMES = tuple(frozenset(names.split()) for names in (_PATHS, _IDS, _WIDER))
"""Columns that say which file, the better ones first; the last may be of several files."""
ANY_PATH_NAME = frozenset().union(*PATH_NAMES)

_PLURALS = "labels classes categories tags findings attributes attributeids"
PLURALS = frozenset(_PLURALS.split())
"""Columns whose cells may well hold several labels."""

_LABELS = f"""
    class classname classid classlabel classidx label labelname labelid labelidx labels
    category categoryname categoryid target targetname targetid y tag gt groundtruth
    breed breedid species speciesname diagnosis diagnostic dx level emotion expression grade
    disease finding findinglabels landmarkid individualid cls {_PLURALS}
"""
LABEL_NAMES = frozenset(_LABELS.split())
"""Columns that hold the class."""

SPLIT_NAMES = frozenset(("split", "splits", "splitname", "subset", "datasplit"))
"""Columns that hold the split, whatever their values."""
LIKELY_SPLIT_NAMES = frozenset(
    ("usage", "set", "dataset", "datasettype", "phase", "partition", "mode")
)
"""Columns that hold it where a value is the word for one."""
LEADERBOARDS = frozenset(("public", "private", "publictest", "privatetest"))
"""What competitions call the parts of their test set."""

_OTHERS = """
    index row rownumber unnamed0 unnamed width height w h size filesize depth channels format
    imagewidth imageheight imgwidth imgheight originalwidth originalheight
    xmin ymin xmax ymax x1 y1 x2 y2 roix1 roiy1 roix2 roiy2 bboxx1 bboxy1 bboxx2 bboxy2 bbox
    url link md5 sha1 sha256 hash digest checksum date time datetime timestamp year
    lat lon lng latitude longitude license author source copyright
"""
OTHER_NAMES = frozenset(("", *_OTHERS.split()))
"""Columns that are never the class of an image."""

_CONTEXT = """
    sex gender patientsex patientgender age ageapprox patientage race ethnicity
"""
CONTEXT_NAMES = frozenset(_CONTEXT.split())
"""Columns that say of whom an image is, next to columns of labels."""

PRESENCE_NAMES = frozenset(("confidence", "ispresent", "present", "presence", "isverified"))
"""Columns that may say, by 0, that an image does not have the label of its line."""

_NUMBERS = """
    age boneage ageapprox price score rating weight heightcm angle steering temperature count
    distance bmi pawpularity
"""
NUMBER_NAMES = frozenset(_NUMBERS.split())
"""Columns that hold a quantity rather than a class."""


def folded(name: str) -> str:
    """A column's name as the sets above have it: small letters and digits only."""
    return re.sub(r"[\W_]+", "", name.lower())
