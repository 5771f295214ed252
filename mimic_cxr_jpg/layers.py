"""Annotations that other people made of MIMIC-CXR, whose form is known: where each can be had.

Nothing of them is here, and nothing is downloaded: most need an agreement with PhysioNet. Forms
were taken from the pages named, and from public code that reads them.
"""

from __future__ import annotations

from cxr_datasets.layers import Layer, ReadyLayer

_PHYSIONET = "https://physionet.org/content/"

LAYERS = {
    "ms_cxr": ReadyLayer(
        # A row a box; an image, a finding and a phrase may have several.
        Layer(
            key=("dicom_id", "image_id"),
            by="image_id",
            several=True,
            boxes=("x", "y", "w", "h"),
            space=("image_width", "image_height"),
        ),
        about="MS-CXR: boxes of eight findings, each with the phrase of a report that it shows",
        files=("MS_CXR_Local_Alignment_v1.1.0.csv", "MS_CXR_Local_Alignment_v1.1.0.json"),
        homepage=f"{_PHYSIONET}ms-cxr/1.1.0/",
        citation="Boecking B, et al. Making the most of text semantics to improve biomedical "
        "vision-language processing. ECCV 2022. arXiv:2204.09817",
    ),
    "chest_imagenome": ReadyLayer(
        # x1 to y2 are of a padded square whose rule is told for some images only.
        Layer(
            key="image_id",
            by="image_id",
            columns=("bbox_name",),
            several=True,
            boxes=("original_x1", "original_y1", "original_x2", "original_y2"),
            records="objects",
        ),
        about="Chest ImaGenome: boxes of up to 36 named regions of frontal images",
        files=("scene_graph.zip", "gold_bbox_coordinate_annotations_1000images.csv"),
        homepage=f"{_PHYSIONET}chest-imagenome/1.0.0/",
        citation="Wu JT, et al. Chest ImaGenome dataset for clinical reasoning. NeurIPS Datasets "
        "and Benchmarks 2021. arXiv:2108.00316",
    ),
    "cxr_lt": ReadyLayer(
        # That of 2023 has paths alone.
        Layer(key=("dicom_id", "fpath", "path"), by="image_id", several=False),
        about="CXR-LT: 26 labels of 2023 or 45 of 2024, 0 or 1, and its own split",
        files=("cxr-lt-2024/labels.csv", "cxr-lt-2023/train.csv"),
        homepage=f"{_PHYSIONET}cxr-lt-iccv-workshop-cvamd/2.0.0/",
        citation="Holste G, et al. Towards long-tailed, multi-label disease classification from "
        "chest X-ray: overview of the CXR-LT challenge. Med Image Anal 2024. arXiv:2310.16112",
    ),
    "llava_rad": ReadyLayer(
        # Of one image there is an entry by rules and one by a language model.
        Layer(key="image", by="image_id", several=True),
        about="LLaVA-Rad: sections cut by rules or rewritten by GPT-4, and labels read from them",
        files=("chat_train_MIMIC_CXR_all_gpt4extract_rulebased_v1.json", "the folder of all three"),
        homepage=f"{_PHYSIONET}llava-rad-mimic-cxr-annotation/1.0.0/",
        citation="Zambrano Chaves JM, et al. Towards a clinically accessible radiology foundation "
        "model: open-access and lightweight, with automated evaluation. 2024. arXiv:2403.08002",
    ),
    "chexmask": ReadyLayer(
        Layer(key="dicom_id", by="image_id", several=False),
        about="CheXmask: masks of the lungs and the heart as runs (`decode_rle`), with an "
        "estimate of their quality",
        files=("OriginalResolution/MIMIC-CXR-JPG.csv", "Preprocessed/MIMIC-CXR-JPG.csv"),
        homepage=f"{_PHYSIONET}chexmask-cxr-segmentation-data/1.0.0/",
        citation="Gaggion N, et al. CheXmask: a large-scale dataset of anatomical segmentation "
        "masks for multi-center chest x-ray images. Sci Data 2024;11:511",
    ),
    "r2gen": ReadyLayer(
        Layer(key="id", by="image_id", columns=("report", "split"), several=False),
        about="R2Gen: the findings of its `annotation.json`, and its split",
        files=("annotation.json",),
        homepage="https://github.com/zhjohnchan/R2Gen",
        citation="Chen Z, et al. Generating radiology reports via memory-driven transformer. "
        "EMNLP 2020. arXiv:2010.16056",
    ),
}
