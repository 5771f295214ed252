"""Invented sentences, each with what a radiologist would take from it."""

from __future__ import annotations

import pytest

from cxr_datasets.labels import label_text

A, C, ED, E, F = "Atelectasis", "Consolidation", "Edema", "Pleural Effusion", "Fracture"
CM, ECM, LL, LO = "Cardiomegaly", "Enlarged Cardiomediastinum", "Lung Lesion", "Lung Opacity"
NF, PO, PN, PTX, SD = (
    "No Finding", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip

SAYINGS = [
    # Denied.
    ("No evidence of pneumothorax or effusion.", {PTX: 0, E: 0, NF: 1}),
    ("No pneumothorax, pleural effusion, or focal consolidation.", {PTX: 0, E: 0, C: 0, NF: 1}),
    ("Neither effusion nor pneumothorax is seen.", {E: 0, PTX: 0, NF: 1}),
    ("There is no effusion, small or large.", {E: 0, NF: 1}),
    ("Pneumothorax is not seen.", {PTX: 0, NF: 1}),
    ("Effusion, pneumothorax and consolidation are absent.", {E: 0, PTX: 0, C: 0, NF: 1}),
    ("The lungs are free of consolidation and edema.", {C: 0, ED: 0, NF: 1}),
    ("Negative for fracture.", {F: 0, NF: 1}),
    ("Pleural effusion: none.", {E: 0, NF: 1}),
    ("No focal opacity to suggest pneumonia.", {LO: 0, PN: 0, NF: 1}),
    ("No suspicious nodule.", {LL: 0, NF: 1}),
    ("The heart is not enlarged.", {CM: 0, NF: 1}),
    ("The heart does not appear significantly enlarged.", {CM: 0, NF: 1}),
    ("There is no enlargement of the heart.", {CM: 0, NF: 1}),
    # Gone.
    ("Resolved effusion.", {E: 0, NF: 1}),
    ("The left effusion has resolved.", {E: 0, NF: 1}),
    ("Previously seen consolidation has now completely cleared.", {C: 0, NF: 1}),
    ("The opacity is no longer visible.", {LO: 0, NF: 1}),
    ("Interval resolution of the edema.", {ED: 0, NF: 1}),
    ("The chest tube has been removed.", {SD: 0, NF: 1}),
    ("Interval removal of the endotracheal tube, with a new pneumothorax.", {SD: 0, PTX: 1}),
    # Normal.
    ("Heart size normal.", {CM: 0, NF: 1}),
    ("Normal heart size and mediastinal contours.", {CM: 0, ECM: 0, NF: 1}),
    ("The cardiac and mediastinal silhouettes are unremarkable.", {CM: 0, ECM: 0, NF: 1}),
    ("The cardiomediastinal silhouette is stable and normal.", {ECM: 0, NF: 1}),
    ("Heart size is at the upper limits of normal.", {CM: 0, NF: 1}),
    ("The lungs are clear.", {NF: 1}),
    ("No acute cardiopulmonary process.", {NF: 1}),
    ("Normal chest.", {NF: 1}),
    ("The lungs are clear. Scoliosis.", {}),
    ("Two views were obtained.", {}),
    ("Stable calcified mediastinal lymph nodes.", {}),
    ("Pulmonary vascular engorgement within normal limits.", {NF: 1}),
    ("Interval increase in the size of the heart.", {CM: 1}),
    ("The heart is enlarged and the lungs are normal.", {CM: 1}),
    ("Lungs clear, heart enlarged, mediastinum normal.", {CM: 1, ECM: 0}),
    # Changed or unchanged, and there.
    ("Stable cardiomegaly.", {CM: 1}),
    ("No change in the large effusion.", {E: 1}),
    ("No significant interval change in the left effusion.", {E: 1}),
    ("The nodule is unchanged.", {LL: 1}),
    ("Without change, the right pneumothorax persists.", {PTX: 1}),
    ("Improving but persistent edema.", {ED: 1}),
    ("No increase in size of the nodule.", {LL: 1}),
    ("The heart is unchanged in size.", {CM: -1}),
    # Two clauses.
    ("The lungs are clear without infiltrate; however a nodule.", {LO: 0, LL: 1}),
    ("No pneumothorax, but a small effusion.", {PTX: 0, E: 1}),
    ("No effusion although there is mild edema.", {E: 0, ED: 1}),
    ("No acute process except for a small left effusion.", {E: 1}),
    ("No pneumothorax, small left pleural effusion.", {PTX: 0, E: 1}),
    ("No pneumothorax and there is a small effusion.", {PTX: 0, E: 1}),
    ("No consolidation with mild cardiomegaly.", {C: 0, CM: 1}),
    ("No effusion is seen and the heart is enlarged.", {E: 0, CM: 1}),
    ("Apart from a granuloma, there is no opacity.", {LO: 0}),
    # Doubted.
    ("Cannot exclude pneumonia.", {PN: -1}),
    ("Pneumonia cannot be completely excluded.", {PN: -1}),
    ("Pneumonia is not excluded.", {PN: -1}),
    ("A small effusion is possible.", {E: -1}),
    ("Possible small effusion without pneumothorax.", {E: -1, PTX: 0}),
    ("No effusion, possible pneumonia.", {E: 0, PN: -1}),
    ("Opacity which may represent pneumonia or atelectasis.", {LO: 1, PN: -1, A: -1}),
    ("Atelectasis versus pneumonia at the left base.", {A: -1, PN: -1}),
    ("Scarring or atelectasis at the base.", {LO: 1, A: -1}),
    ("Findings concerning for aspiration or pneumonia.", {PN: -1}),
    ("Overlying soft tissue could obscure a small nodule.", {LL: -1}),
    ("? pneumonia", {PN: -1}),
    ("A vague opacity may be overlap of vessels.", {LO: -1}),
    ("Mild pulmonary vascular congestion.", {ED: -1}),
    ("No pulmonary vascular congestion.", {ED: 0, NF: 1}),
    ("The heart is perhaps mildly enlarged.", {CM: -1}),
    ("Likely atelectasis at the right base.", {A: 1}),
    # Asked, or of another day.
    ("CT is advised to document resolution of the opacity.", {}),
    ("History of heart failure, no effusion.", {E: 0, NF: 1}),
    ("Right shoulder: Negative for fracture or dislocation.", {F: 0, NF: 1}),
    ("Question mild congestion in a patient with a prosthetic valve.", {ED: -1, SD: 1}),
    ("Rule out pneumonia.", {PN: -1}),
    ("INDICATION: Rule out pneumonia. FINDINGS: No consolidation.", {C: 0, NF: 1}),
    ("Indication: ___-year-old with edema, evaluate effusion.", {}),
    ("History of pneumonia.", {}),
    ("If there is concern for fracture, dedicated views are advised.", {}),
    # Words within other words' phrases.
    ("Small pericardial effusion.", {}),
    ("Old granulomatous infection.", {}),
    ("A pleural line is seen.", {}),
    ("Degenerative endplate changes.", {}),
    ("Platelike atelectasis.", {A: 1}),
    ("Plate-like atelectasis.", {A: 1}),
    ("Mass effect on the trachea.", {}),
    ("Sclerotic osseous lesion.", {}),
    ("Subcutaneous emphysema and soft tissue edema.", {}),
    ("Hydropneumothorax on the left.", {E: 1, PTX: 1}),
    ("Nodular opacity at the apex.", {LL: 1}),
    # Marks for what was taken out, line breaks and lists.
    ("No XXXX of a pleural XXXX effusion.", {E: 0, NF: 1}),
    ("There is no ___ or pneumothorax; ___ effusion is small.", {PTX: 0, E: 1}),
    ("No evidence of:\n- effusion\n- pneumothorax", {E: 0, PTX: 0, NF: 1}),
    ("No evidence of:\n- effusion\n- edema\n\nThe heart is enlarged.", {E: 0, ED: 0, CM: 1}),
    ("1. No effusion.\n2. Cardiomegaly.", {E: 0, CM: 1}),
    ("1. No effusion 2. Cardiomegaly 3. No edema", {E: 0, CM: 1, ED: 0}),
    ("1) No effusion\n2) cardiomegaly", {E: 0, CM: 1}),
    ("There is no pneumothorax or\n pleural effusion.", {PTX: 0, E: 0, NF: 1}),
    ("No pneumothorax\nSmall left effusion", {PTX: 0, E: 1}),
    ("No\nPICC is seen.", {SD: 0, NF: 1}),
    ("FINDINGS:\n- No effusion\n- Cardiomegaly", {E: 0, CM: 1}),
    ("Per Dr. ___ no effusion. A 1.2 cm nodule.", {E: 0, LL: 1}),
    ("No effusion.Cardiomegaly.", {E: 0, CM: 1}),
    # As portable films of intensive care are read.
    ("AP portable: ET tube 3 cm above the carina. Low lung volumes.", {SD: 1, NF: 1}),
    ("Right IJ line tip in the SVC. No pneumothorax.", {SD: 1, PTX: 0, NF: 1}),
    ("Lines and tubes in unchanged position.", {SD: 1, NF: 1}),
    ("Small bilateral effusions with overlying atelectasis.", {E: 1, A: 1}),
    ("Retrocardiac opacity, atelectasis vs. pneumonia.", {LO: 1, A: -1, PN: -1}),
    ("Mild interstitial edema, less likely atypical infection.", {ED: 1, PN: -1}),
    ("Blunting of the left costophrenic angle may reflect a trace effusion.", {E: -1}),
    ("WET READ: No acute process. No pneumothorax.", {PTX: 0, NF: 1}),
]


@pytest.mark.parametrize(("text", "said"), SAYINGS)
def test_a_text_says_what_a_radiologist_takes_from_it(text, said):
    labels = label_text(text)
    assert {label: value for label, value in labels.items() if value is not None} == said
