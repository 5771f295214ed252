"""The MeSH terms of invented studies, and what their reports say."""

from __future__ import annotations

# Term -> what the report says of it.
SENTENCES = {
    "Pulmonary Atelectasis/base/left/mild": "There is mild streaky collapse at the left base.",
    "Cardiomegaly/mild": "The heart is mildly enlarged.",
    "Opacity/lung/base/right/patchy": "There is a patchy opacity at the right base.",
    "Pleural Effusion/right/small": "A small right pleural effusion is present.",
    "Pericardial Effusion": "The heart has a globular outline, as with a pericardial effusion.",
    "Cardiac Shadow/enlarged": "The cardiac shadow is enlarged.",
    "Consolidation/lung/upper lobe/left": "There is consolidation of the left upper lobe.",
    "Pneumonia/middle lobe/right": "There is middle lobe pneumonia.",
    "Pulmonary Edema/bilateral/mild": "There is mild edema of both lungs.",
    "Fractures, Bone/ribs/right/healed": "A healed fracture of a right rib is seen.",
    "Nodule/lung/upper lobe/right/round/small": "There is a small round nodule on the right.",
    "Mass/lung/hilum/left/large": "There is a large mass at the left hilum.",
    "Density/lung/lingula/streaky": "There is a streaky density in the lingula.",
    "Thickening/pleura/apex/bilateral": "There is pleural thickening at both apices.",
    "Cicatrix/pleura/base/left": "There is pleural scarring at the left base.",
    "Pneumothorax/apex/left/small": "There is a small left apical pneumothorax.",
    "Hydropneumothorax/right": "There is a hydropneumothorax on the right.",
    "Catheters, Indwelling/right": "A right-sided catheter ends at the XXXX.",
    "Implanted Medical Device/left": "A pacemaker lies over the left chest.",
    "Medical Device": "There is a device over the XXXX.",
    # Near misses: the heading or the qualifier alone makes no label.
    "Opacity/mediastinum/prominent": "There is a prominent opacity behind the sternum.",
    "Density/ribs/left": "There is a dense spot in a left rib.",
    "Cardiac Shadow/borderline": "The cardiac shadow is at the upper limit of normal.",
    "Cicatrix/lung/base/right": "There is scarring at the right base.",
    "Thickening/aorta": "The wall of the aorta is thick.",
    "Lung/hypoinflation": "Lung volumes are low.",
    "Surgical Instruments/abdomen": "There are clips in the upper abdomen.",
    "Calcified Granuloma/lung/upper lobe/left": "There is a calcified granuloma on the left.",
    # Capitals, blanks and commas as they vary in the release.
    "Cardiac Shadow/enlarged ": "The cardiac shadow is larger than on XXXX.",
    "Technical Quality of Image Unsatisfactory ": "The film is underexposed.",
    "Subcutaneous  Emphysema/right": "There is air in the soft tissues on the right.",
    "Deformity/Thoracic Vertebrae/mild": "A thoracic vertebra is mildly wedged.",
    "Lymph nodes/hilum/enlarged": "Hilar nodes are enlarged.",
    "Thoracic vertebrae/degenerative": "There is wear of the thoracic spine.",
    "Aorta, Thoracic/tortuous": "The thoracic aorta is tortuous.",
    "Bone Diseases, Metabolic": "The bones are thin.",
    "Pulmonary Disease, Chronic Obstructive/severe": "The lungs are large, with flat diaphragms.",
    "Hernia, Hiatal/small": "There is a small hiatal hernia.",
    # What the corrected rules read otherwise than TransChex's, and near misses of theirs. They come
    # last, so that small releases stay as they were.
    "Tube, Inserted/trachea": "A tube ends in the trachea.",
    "Airspace Disease/lung/lower lobe/left": "There is airspace disease in the left lower lobe.",
    "Infiltrate/lung/base/right/patchy": "There is a patchy infiltrate at the right base.",
    "Opacity/retrocardiac": "There is an opacity behind the heart.",
    "Density/costophrenic angle/left/round": "A round density lies at the left costophrenic angle.",
    "Mediastinum/prominent": "The mediastinum is prominent.",
    "Mediastinum/lymph nodes/enlarged": "There are large nodes in the mediastinum.",
    "Nodule/breast/left": "A small nodule lies in the left breast.",
    "Mass/thorax/right": "There is a mass of the right chest wall.",
    "Hemopneumothorax/left": "There is air and blood in the left pleural space.",
    "Calcinosis/pleura/base/right": "There are calcified plaques at the right base.",
}

# The terms of the first studies. What matters most comes first, so that a small copy has it too.
# After these each term above has a study of its own, so that no rule hides another; those of
# further studies are drawn.
FIXED_TERMS: tuple[tuple[str, ...], ...] = (
    ("normal",),
    ("Pulmonary Atelectasis/base/left/mild", "Pleural Effusion/right/small"),
    ("No Indexing",),
    ("Pericardial Effusion",),
    ("Cardiomegaly/mild", "Catheters, Indwelling/right"),
    ("Opacity/lung/base/right/patchy",),
    ("normal",),
    ("Nodule/lung/upper lobe/right/round/small", "Calcified Granuloma/lung/upper lobe/left"),
    ("Cardiac Shadow/enlarged ", "Aorta, Thoracic/tortuous"),
    ("Opacity/mediastinum/prominent", "Density/ribs/left"),
    ("Technical Quality of Image Unsatisfactory ",),
    # The same term twice in one study, as happens in the release.
    ("Cicatrix/lung/base/right", "Thoracic vertebrae/degenerative", "Cicatrix/lung/base/right"),
)

# Texts of the first studies, in place of those that are drawn.
FIXED_TEXTS: tuple[dict[str, str], ...] = (
    {"comparison": "None"},
    {"comparison": "None."},
    {"findings": "", "impression": ""},
    {"comparison": "", "findings": ""},
    {"impression": ""},
    {"indication": "", "image": " CHEST 2V FRONTAL/LATERAL XXXX, XXXX XXXX PM"},
    {"indication": 'XXXX-year-old with "tightness" of the chest', "comparison": "XXXX"},
    {"impression": "1. Nodule &lt; 1 cm, which is benign.<BR>2. No acute XXXX."},
    {"findings": "The cardiac shadow is wide.<BR>The aorta is tortuous. Lungs are clear."},
    {"findings": ""},
    {"comparison": "none"},
    {"comparison": "XXXX, XXXX."},
)

EXAMS = (
    "Chest PA and lateral",
    "Chest, 2 views, XXXX at XXXX hours",
    "PA and lateral chest XXXX, XXXX.",
    "XR CHEST 2V",
)
INDICATIONS = (
    "Cough",
    "XXXX-year-old with chest pain",
    "Shortness of breath, XXXX",
    "Positive skin test for tuberculosis",
    "Preoperative film",
)
COMPARISONS = {"None.": 3, "None": 2, "": 2, "XXXX": 1, "XXXX, XXXX.": 1, "Films of XXXX.": 1}
NORMAL = (
    "Heart size is normal. The lungs are clear. There is no effusion. XXXX are intact.",
    "The heart is normal in size. No pneumothorax or pleural effusion. Lungs are clear XXXX.",
    "The cardiac silhouette is within normal limits. No focal consolidation, effusion or XXXX.",
)
"""Findings of studies in which nothing is coded."""

UNCODED = {
    "consolidation": "focal consolidation",
    "edema": "pulmonary edema",
    "effusion": "pleural effusion",
    "pneumothorax": "pneumothorax",
}
"""Word of a term -> what a report says is not there, or perhaps, if no term has the word."""
DENIALS = ("No {}.", "There is no {}.", "The lungs show no evidence of {}.")
DOUBTS = ("A small {} cannot be excluded.", "Possible {}.", "Questionable {} on the lateral view.")

# Beginning of a term -> what of it is painted into the images.
SIGN_OF_TERM = {
    "cardiomegaly": "cardiomegaly",
    "cardiac shadow/enlarged": "cardiomegaly",
    "pleural effusion": "effusion",
    "hydropneumothorax": "effusion",
    "opacity/lung": "opacity",
    "consolidation": "opacity",
    "pneumonia": "opacity",
    "airspace disease": "opacity",
    "infiltrate": "opacity",
    "hemopneumothorax": "effusion",
    "nodule/lung": "nodule",
    "mass/lung": "nodule",
    "catheters": "device",
}
