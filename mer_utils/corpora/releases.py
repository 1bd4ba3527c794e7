"""Every corpus that the study can read: an entry each, and a reader where its layout is odd.

To add one, add an entry. What the fields mean is said at `reader.Release`. A release with a sheet
and folders `<subject>/<clip>/` needs no code: its reader is `layouts.sheet_and_folders`.
"""

from dataclasses import replace
from itertools import permutations

from . import by_folder, casme3, casme_squared, megc2019_flow, own, smic
from .ids import MEGC2019, Names
from .layouts import composite, sheet_and_folders, sheets_and_names
from .reader import Release
from .sheets import FIELDS
from .table import each, grouped, three

# clips of each class in a complete copy
_CASME2_FIVE = {"others": 99, "disgust": 63, "happiness": 32, "repression": 27, "surprise": 25}
_SAMM_FIVE = {"anger": 57, "others": 26, "happiness": 26, "surprise": 15, "contempt": 12}
_SQUARED_MICRO = {"negative": 21, "others": 19, "surprise": 9, "positive": 8}
_SQUARED_MACRO = {"positive": 116, "negative": 105, "others": 63, "surprise": 16}
_CASME3_SEVEN = {"disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64}
_CASME3_SEVEN |= {"sad": 57, "happy": 55}  # three of others are spelled `Others`
_CASME3_C = {"negative": 99, "surprise": 30, "others": 20, "positive": 16}
_AFEW = {"angry": 197, "disgust": 114, "fear": 127, "happy": 213, "neutral": 207, "sad": 178}
_AFEW |= {"surprise": 120}  # training and validation together: test has no labels
_OULU = dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness", "surprise"), 80)

# Yan et al., PLoS ONE 2014: 255 clips of 26 subjects. Folders `CASME2_RAW_selected/sub01/EP02_01f`,
# `CASME2-RAW` (whole clips) or `Cropped` (`reg_img46.jpg`). Clip names repeat across subjects.
CASME2 = Release(
    *("casme2", "CASME II", sheet_and_folders),
    "CASME2-coding-20140508.xlsx and CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
    schemes=(
        three("disgust repression", "happiness", "surprise", "fear sadness others", (88, 32, 25)),
        each("CASME II", _CASME2_FIVE, "fear sadness"),
    ),
    names=MEGC2019["casme2"],
    fps=200.0,
    sheet_files=("CASME2-coding*", "CASME2*label*", "CASME2*coding*"),
    versions={
        255: "the public sheet CASME2-coding-20140508",
        256: "newer sheets such as CASME2-coding-20190701",
    },
    subject_folder="sub0*[0-9]{1,3}",
    prefer=("selected", "raw", "crop"),  # raw frames first: the study aligns the faces itself
)

# Davison et al., IEEE TAFFC 2018: 159 clips of 29 subjects. The padding of frame numbers differs
# from clip to clip. The sheet has 13 rows of prose above its header; stripped copies circulate.
SAMM = Release(
    *("samm", "SAMM", sheet_and_folders),
    "SAMM_Micro_FACS_Codes_v2.xlsx and 006/006_1_2/006_05562.jpg",
    schemes=(
        three(
            "anger contempt disgust fear sadness", "happiness", "surprise", "others", (92, 26, 15)
        ),
        each("SAMM", _SAMM_FIVE, "disgust fear sadness"),
    ),
    names=MEGC2019["samm"],
    fps=200.0,
    sheet_files=("SAMM_Micro*",),
    versions={159: "the tab MICRO_ONLY of SAMM_Micro_FACS_Codes_v2"},
    subject_folder="[0-9]{1,3}",
    prefer=("raw", "samm", "crop"),
)

SMIC = Release(
    *("smic", "SMIC", smic.read),
    "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp",
    schemes=(three(counts=(70, 51, 43)),),
    names=MEGC2019["smic"],
    fps=100.0,
    subject_folder="s0*[0-9]{1,3}",
    prefer=("raw", "crop"),
    avoid=("vis", "nir", *smic.LONG),  # SMIC-VIS and SMIC-NIR repeat the HS subjects
)

# See et al., FG 2019. The two clips that the official list drops are in errata.csv.
MEGC2019_FRAMES = Release(
    *("megc2019", "MEGC2019", composite),
    "nothing of its own: casme2, samm and smic together",
    schemes=(three(counts=(250, 109, 83)),),
    folder="",
    parts=(CASME2, SAMM, SMIC),
    remedy="put the folders casme2, samm and smic there as data/README.md shows",
)

MEGC2019_FLOW = Release(
    *("megc2019_flow", "MEGC2019 as flow images", megc2019_flow.read),
    "STSNet_whole_norm_u_v_os/*.png and combined_3_class2_for_optical_flow.csv",
    schemes=MEGC2019_FRAMES.schemes,
)

CASME_SQUARED = Release(
    *("casme_squared", "CAS(ME)^2", casme_squared.read),
    "CAS(ME)^2code_final.xlsx and rawpic/s15/15_0101disgustingteeth/img001.jpg",
    schemes=(three(none="others", counts=(21, 8, 9)), each("CAS(ME)^2", _SQUARED_MICRO)),
    names=Names(r"s0*([0-9]{1,3})", "s{:d}"),
    fps=30.0,
    sheet_files=("CAS(ME)^2*code_final*", "*code_final*"),
    versions={357: "CAS(ME)^2code_final"},
    subject_folder=casme_squared.SUBJECT,
    prefer=("raw", "select", "crop"),
)

# Li et al., IEEE TPAMI 2022. Part C is a mock crime.
_CASME3_FOUR = {"negative": "disgust fear anger sad", "positive": "happy", "surprise": "surprise"}
_CASME3_FOUR |= {"others": "others"}
CASME3 = Release(
    *("casme3", "CAS(ME)^3 part A", casme3.read),
    "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx and part_A/spNO.1/a/color/355.jpg",
    schemes=(
        three("disgust fear anger sad", "happy", "surprise", "others", (457, 55, 187)),
        grouped("the 4 classes of CAS(ME)^3", _CASME3_FOUR, (457, 55, 187, 161)),
        each("CAS(ME)^3", _CASME3_SEVEN),
    ),
    names=Names(r"(?:spno\.?)?0*([0-9]{1,4})", "spNO.{:d}"),
    fps=30.0,
    sheet_files=("cas(me)3_part_A_ME*",),
    fields=FIELDS | {"clip": ("Filename", "Seq")},
    tab="label",
    versions={860: "cas(me)3_part_A_ME_label_JpgIndex_v2"},
    subject_folder=casme3.SUBJECT,
    prefer=("me_clip", "frame", "part_a"),
    avoid=("depth", "video", "part_b", "part_c"),  # not colour frames of part A
)

# Yan et al., FG 2013: 195 clips, 60 fps. Sheet and folders as of CASME II, from public readers
# (github.com/tvaranka/meb, github.com/xvrgill/yt-emotion-detection), which count 189 and 193 rows.
# The apex may last: ApexF1 to ApexF2. The columns Onset and Total are milliseconds.
CASME = replace(
    CASME2,
    name="casme",
    title="CASME",
    example="CASME-coded-20190721.xls and CASME_raw_selected/sub01/EP01_5/EP01_5-113.jpg",
    schemes=(
        three(
            "disgust repression", "happiness amusement", "surprise", "tense sadness fear contempt"
        ),
        grouped(
            "the 4 classes used of CASME",
            {name: name for name in ("tense", "disgust", "repression", "surprise")},
            none="happiness amusement sadness fear contempt",
        ),
    ),
    fps=60.0,
    sheet_files=("CASME-coded*", "casme.xls*"),
    fields=FIELDS | {"apex": ("ApexF1", "ApexF", "Apex Frame", "Apex")},
    versions={193: "CASME-coded-20190721", 189: "the sheet of github.com/tvaranka/meb"},
)

# Ben et al., IEEE TPAMI 2022: 300 clips of 30 subjects, 90 fps; a clip's name begins with its
# subject, and folders are <emotion>/<clip> or <subject>/<emotion>/<clip>. From dpailab.com/database
# and the table in github.com/wangzhifengharrison/HTNet. Folders may say repression for others.
_MMEW = {"surprise": 89, "disgust": 72, "others": 66, "happiness": 36, "fear": 16, "sadness": 13}
_MMEW |= {"anger": 8}
MMEW = Release(
    *("mmew", "MMEW", sheets_and_names),
    "MMEW_Micro_Exp.xlsx and Micro_Expression/happiness/S01-01-001/1.jpg",
    schemes=(
        three("disgust fear sadness anger", "happiness", "surprise", "others", (109, 36, 89)),
        each(
            "MMEW",
            {name: _MMEW[name] for name in ("surprise", "disgust", "others", "happiness")},
            "fear sadness anger",
        ),
        each("MMEW", {name: n for name, n in _MMEW.items() if name != "others"}, "others"),
        each("MMEW", _MMEW),
    ),
    names=Names(r"s?0*([0-9]{1,3})", "S{:02d}"),
    fps=90.0,
    sheet_files=("MMEW_Micro_Exp*",),
    versions={300: "MMEW_Micro_Exp"},
    avoid=("macro_expression",),
)

# Li et al., IEEE TAFFC 2022: 267 clips; of the modalities the grey one, 60 fps. Sheet and folders
# from github.com/tvaranka/meb. 45 clips have two emotions, such as Surprise+Positive, and no class.
_4DME = {"negative": 127, "positive": 34, "others": 31, "surprise": 30, "repression": 6}
_TWO = " ".join(map("+".join, permutations(("negative", "positive", "surprise", "repression"), 2)))
FOUR_D = Release(
    *("4dme", "4DME", sheets_and_names),
    "4DME_Labelling_Micro_release v1.xlsx and gray_micro/<subject>/<clip>/1.jpg",
    schemes=(
        three(none=f"others repression {_TWO}", counts=(127, 34, 30)),
        each("4DME", _4DME, _TWO),
    ),
    names=Names(r"s?0*([0-9]{1,3})", "S{:02d}"),
    fps=60.0,
    sheet_files=("4DME_Labelling_Micro_release*", "4DME*Micro*"),
    fields=FIELDS | {"subject": ("sub_ID", "Subject"), "clip": ("fold_name", "Filename")},
    versions={267: "4DME_Labelling_Micro_release v1"},
    avoid=("gray_micro_crop",),
)

# Zhao et al., IEEE TAFFC 2024: 7526 clips of 656 people, at 200, 300 and 500 fps, frames named from
# 00000. Three sheets, folders <part>/<clip>, from github.com/QqXuyujie/Micro-Expression-Datasets.
_DFME = ("happiness", "surprise", "disgust", "sadness", "anger", "fear", "contempt")
DFME = Release(
    *("dfme", "DFME", sheets_and_names),
    "training_full_with_AU.xlsx, testA_full_with_AU.xlsx, testB_full_with_AU.xlsx and "
    "train_data/216_e_0/00000.png",
    schemes=(
        three("anger contempt disgust fear sadness", "happiness", "surprise", "others"),
        grouped("the 7 classes of DFME", {name: name for name in _DFME}, none="others"),
    ),
    names=Names(r"(?:sub|s)?0*([0-9]{1,4})", "{:04d}"),
    sheet_files=("training_full*", "testA_full*", "testB_full*"),
)

RELEASES = {
    release.name: release
    for release in (
        replace(
            MEGC2019_FRAMES,
            name="synthetic",
            title="synthetic clips",
            example="made by `./run_all.sh synthetic`",
            schemes=(three(),),
            remedy="make it with `./run_all.sh synthetic`",
            synthetic=True,
        ),
        CASME2,
        SAMM,
        SMIC,
        MEGC2019_FRAMES,
        MEGC2019_FLOW,
        replace(
            MEGC2019_FLOW,
            name="megc2019_flow_causal",
            title="MEGC2019 as CausalNet's flow images",
            official=True,
        ),
        Release(
            *("own", "your own clips", own.read),
            "clips.csv with subject,clip,label,onset,apex,offset,path",
            remedy=f"put {own.NAME} there as data/README.md shows, or give its path",
            file=True,
        ),
        Release(
            *("class_folders", "clips", by_folder.class_folders),
            "negative/*.mp4, positive/*.mp4, surprise/*.mp4 and clips.xlsx or clips.csv",
            sheet_files=("clips.*",),
            fields=by_folder.FIELDS,
        ),
        # Of the 164 clips SMIC-E holds 157; the other seven are second events of these films.
        replace(
            SMIC,
            name="smic_e",
            title="SMIC-E",
            read=smic.read_e,
            example="SMIC-HS-E_annotation.xlsx and HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg",
            sheet_files=("SMIC-HS-E_annotation*",),
            fields=smic.E_FIELDS,
            tab="HS",
            versions={157: "the tab HS of SMIC-HS-E_annotation"},
            prefer=smic.LONG,
            avoid=smic.OTHER_CAMERAS,
        ),
        CASME,
        MMEW,
        FOUR_D,
        DFME,
        CASME_SQUARED,
        replace(
            CASME_SQUARED,
            name="casme_squared_macro",
            schemes=(
                three(none="others", counts=(105, 116, 16)),
                each("CAS(ME)^2", _SQUARED_MACRO),
            ),
            folder="casme_squared",
        ),
        CASME3,
        replace(
            CASME3,
            name="casme3_c",
            title="CAS(ME)^3 part C",
            read=casme3.read_c,
            example="CAS(ME)3_part_C_ME.xlsx and part_C/1/a/color/355.jpg, in the folder of casme3",
            schemes=(  # its sheet names no single emotions
                three(none="others", counts=(99, 16, 30)),
                each("CAS(ME)^3 part C", _CASME3_C),
            ),
            names=Names(r"0*([0-9]{1,4})", "{:d}"),
            sheet_files=("CAS(ME)3_part_C_ME*",),
            fields=casme3.C_FIELDS,
            tab="",
            versions={165: "CAS(ME)3_part_C_ME"},
            subject_folder="[0-9]{1,4}",
            prefer=("part_c",),
            avoid=("depth", "part_a", "part_b"),
            folder="casme3",
        ),
        Release(
            *("afew", "AFEW", by_folder.afew),
            "Train_AFEW/Angry/000046280.avi and Val_AFEW/",
            schemes=(each("AFEW", _AFEW),),
        ),
        Release(
            *("oulu_casia", "Oulu-CASIA", by_folder.oulu_casia),
            "OriginalImg/VL/Strong/P001/Anger/000.jpeg",
            schemes=(each("Oulu-CASIA", _OULU),),
            names=Names(r"p0*([0-9]{1,3})", "P{:03d}"),
            fps=25.0,
            subject_folder="p[0-9]{3}",
            prefer=("originalimg/vl/strong", "vl/strong", "vl_acropped/strong", "strong"),
        ),
    )
}
