"""Names of subjects and clips, spelled one way whatever the sheet, the csv or the disk says.

CASME II writes `sub01` on disk and 1 in its sheet; SAMM `006` and 6; SMIC `s1/s1_ne_01` on disk,
`s01,s01_ne_01` in the official csv and 1 in its sheet; CAS(ME)^3 `spNO.1` in both.
"""

import re
import unicodedata
from dataclasses import dataclass

from .table import unknown

LONGEST = 64  # bytes of a subject in UTF-8: part of file names, where one byte may take three
LONGEST_CLIP = 200  # of a clip, whose name tables show
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for a formula at the beginning of a cell


def plain(cell: object) -> str:
    """A sheet's cell as text: 46.0 -> "46", an empty cell -> "", blanks at the ends dropped."""
    if cell is None or cell != cell:  # not a number: how pandas marks an empty cell
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def flaw(name: str, longest: int = LONGEST) -> str:
    """Why a text cannot be the id of a subject, or of a clip with LONGEST_CLIP, or ""."""
    if len(name.encode(errors="replace")) > longest:
        return f"is longer than {longest} letters (bytes of UTF-8)"
    written = name.encode(errors="ignore").decode()  # bytes that are no text: see `corpora.load`
    if unseen := [sign for sign in written if not sign.isprintable() or sign == "\ufffd"]:
        return f"holds a character that cannot be read (U+{ord(unseen[0]):04X})"
    if "/" in name or "\\" in name or name in (".", ".."):
        return "holds / or \\ or is . or .., which name folders"
    if name.startswith(FORMULA):
        return f"begins with {name[0]}, which a spreadsheet takes for a formula"
    return ""


def alike(name: str) -> str:
    """A name without case, Unicode form, dashes, dots and zeros: one for `p1`, `P_01`, `ｐ 1.`."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = re.sub(r"^([0-9]+)\.0+$", r"\1", text.strip())  # as pandas writes a number
    text = re.sub(" +", " ", "".join(map(_read, text))).strip()
    text = re.sub(r"(?<=[^\W\d]) (?=[0-9])|(?<=[0-9]) (?=[^\W\d])", "", text)  # `p 1` is `p1`
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", text)


def _read(sign: str) -> str:
    """A character as `alike` compares it: a separator is a blank, any digit one of 0 to 9."""
    kind = unicodedata.category(sign)
    if kind in ("Pd", "Pc", "Zs", "Zl", "Zp") or sign in ".\u2212\t":  # U+2212 is a minus
        return " "
    return "" if kind in ("Cc", "Cf") else str(unicodedata.decimal(sign, sign))


def person(name: str) -> str:
    """`alike` of a subject: 1, s01, sub1 and Subject 1 are one person."""
    return re.sub("^(?:subject|subj|sub|s)(?=[0-9])", "", alike(name))


@dataclass(frozen=True)
class Names:
    """How a release spells its subjects and clips. Patterns ignore upper and lower case."""

    pattern: str  # a subject as it may be spelled, its number as group 1
    form: str  # a subject as it is written here
    clip_pattern: str = ""  # a clip whose spelling differs: subject, middle, end; "": none does
    clip_form: str = ""
    stem: str = ""  # `<subject>_<clip>` as flow images are named

    def subject(self, cell: object) -> str:
        """The subject's id as text: SAMM's 6 -> "006". Raises ValueError if it can be none."""
        text = plain(cell)
        match = re.fullmatch(self.pattern, re.sub(r"\.0+$", "", text), re.IGNORECASE)
        if not match:
            raise ValueError(f"{text!r} is not a subject such as {self.form.format(1)}")
        return self.form.format(int(match[1]))

    def clip(self, cell: object) -> str:
        """The clip's id as text: SMIC's "s1_ne_01" -> "s01_ne_01"; others keep their spelling."""
        text = plain(cell)
        match = self.clip_pattern and re.fullmatch(self.clip_pattern, text, re.IGNORECASE)
        if not match:
            return text
        return self.clip_form.format(self.subject(match[1]), match[2].lower(), match[3])


MEGC2019 = {  # the three releases whose clips the MEGC2019 lists name
    "casme2": Names(r"(?:sub)?0*([0-9]{1,3})", "sub{:02d}", stem=r"(sub[0-9]+)_(EP.+)"),
    "samm": Names(
        *(r"0*([0-9]{1,3})", "{:03d}"),
        *(r"([0-9]{1,3})_([0-9]+)_([0-9]+)", "{}_{}_{}"),
        stem=r"([0-9]{1,3})_([0-9]{1,3}_[0-9]+_[0-9]+)",
    ),
    "smic": Names(
        *(r"s?0*([0-9]{1,3})", "s{:02d}"),
        *(r"(s?0*[0-9]{1,3})_(ne|po|sur)_0*([0-9]+)", "{}_{}_{:0>2}"),
        stem=r"(s[0-9]+)_(s[0-9]+_(?:ne|po|sur)_[0-9]+)",
    ),
}


def megc2019_key(corpus: str, subject: str, clip: str) -> tuple[str, str, str]:
    """(corpus, subject, clip) of a table on MEGC2019, spelled as here. Raises ValueError."""
    name = corpus.lower()
    if name not in MEGC2019:
        raise ValueError(str(unknown("corpus", name, MEGC2019)))
    return name, MEGC2019[name].subject(subject), MEGC2019[name].clip(clip)


def from_stem(stem: str) -> tuple[str, str, str]:
    """`<subject>_<clip>` of a file name -> (corpus, subject, clip). Raises ValueError."""
    stem = stem.strip()
    for corpus, names in MEGC2019.items():
        if match := re.fullmatch(names.stem, stem, re.IGNORECASE):
            return corpus, names.subject(match[1]), names.clip(match[2])
    raise ValueError(f"{stem!r} is not <subject>_<clip> of CASME II, SAMM or SMIC")
