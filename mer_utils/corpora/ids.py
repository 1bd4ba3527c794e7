"""Names of subjects and clips, spelled one way whatever the sheet, the csv or the disk says.

CASME II writes `sub01` on disk and '01' or 1 in its sheet; SAMM `006` on disk and 6 in the
official csv; SMIC `s1/s1_ne_01` on disk, `s01,s01_ne_01` in the official csv and 1 in its sheet;
CAS(ME)^3 `spNO.1` in both.
"""

import math
import re

_SUBJECT = {  # corpus: (what a subject may look like, how it is written here)
    "casme2": (re.compile(r"(?:sub)?0*([0-9]{1,3})", re.IGNORECASE), "sub{:02d}"),
    "samm": (re.compile(r"0*([0-9]{1,3})"), "{:03d}"),
    "smic": (re.compile(r"s?0*([0-9]{1,3})", re.IGNORECASE), "s{:02d}"),
    "casme_squared": (re.compile(r"s0*([0-9]{1,3})", re.IGNORECASE), "s{:d}"),
    "casme3": (re.compile(r"(?:spno\.?)?0*([0-9]{1,4})", re.IGNORECASE), "spNO.{:d}"),
    "casme3_c": (re.compile(r"0*([0-9]{1,4})"), "{:d}"),
    "oulu_casia": (re.compile(r"p0*([0-9]{1,3})", re.IGNORECASE), "P{:03d}"),
}
_HABITS = {"smic_e": "smic", "casme_squared_macro": "casme_squared"}
RELEASES = ("casme2", "samm", "smic")  # the three whose clips the MEGC2019 lists name


def release(corpus: str) -> str:
    """ "synthetic_samm" -> "samm": the release whose habits a corpus follows."""
    name = corpus.removeprefix("synthetic_")
    return _HABITS.get(name, name)


def plain(cell: object) -> str:
    """A sheet's cell as text: 46.0 -> "46", an empty cell -> "", blanks at the ends dropped."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def subject(corpus: str, cell: object) -> str:
    """The subject's id as text: ("samm", 6) -> "006". Raises ValueError if it can be none."""
    pattern, form = _SUBJECT[release(corpus)]
    text = plain(cell)
    found = pattern.fullmatch(re.sub(r"\.0+$", "", text))
    if not found:
        raise ValueError(f"{text!r} is not a subject of {corpus}, which look like {form.format(1)}")
    return form.format(int(found[1]))


def clip(corpus: str, cell: object) -> str:
    """The clip's id as text: ("smic", "s1_ne_01") -> "s01_ne_01"; others keep their spelling."""
    text = plain(cell)
    if release(corpus) == "smic":
        found = re.fullmatch(r"(s?[0-9]+)_(ne|po|sur)_0*([0-9]+)", text, re.IGNORECASE)
        if found:
            return f"{subject(corpus, found[1])}_{found[2].lower()}_{int(found[3]):02d}"
    if release(corpus) == "samm":
        found = re.fullmatch(r"([0-9]{1,3})(_[0-9]+_[0-9]+)", text)
        if found:
            return subject(corpus, found[1]) + found[2]
    return text


def from_stem(stem: str) -> tuple[str, str, str]:
    """`<subject>_<clip>` of a file name -> (corpus, subject, clip), by the form of its parts.

    A blank before the extension is part of the published names and is dropped. Raises ValueError.
    """
    stem = stem.strip()
    for corpus, form in (
        ("casme2", r"(sub[0-9]+)_(EP.+)"),
        ("smic", r"(s[0-9]+)_(s[0-9]+_(?:ne|po|sur)_[0-9]+)"),
        ("samm", r"([0-9]{1,3})_([0-9]{1,3}_[0-9]+_[0-9]+)"),
    ):
        found = re.fullmatch(form, stem, re.IGNORECASE)
        if found:
            return corpus, subject(corpus, found[1]), clip(corpus, found[2])
    raise ValueError(f"{stem!r} is not <subject>_<clip> of CASME II, SAMM or SMIC")
