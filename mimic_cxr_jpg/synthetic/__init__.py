"""A small, wholly invented release of MIMIC-CXR-JPG, for tests and for trying out training code.

What is true to release 2.1.0, or 2.0.0:

- every file name, path, table header, order of columns and form of a value; four tables keep the
  prefix `2.0.0` in 2.1.0;
- the list of images, and the checksums, with one space between checksum and path;
- JPEGs: greyscale, histogram-equalised, quality 95, the real sizes times `scale`;
- every `ViewPosition`, and blank ones; study times without their leading zeros and with the noise
  of a float; studies of one to four images;
- patients with several studies: two of the same date and time, one before another without a report,
  one without a frontal image; with 20 patients or more a study whose images differ in their times;
- rows in another order in each table; no patient in two splits;
- train studies without a row of labels, and CheXpert rows without a label;
- the radiologists' labels: of a part of the test studies, without `subject_id`, in an order of
  columns of their own;
- MIMIC-IV of the same patients, if it is asked for (see `mimic_cxr_jpg.synthetic.mimic_iv`);
- the reports, as the separate project gives them (see `mimic_cxr_jpg.synthetic.reports`): the
  section that labels are read from says those of the CheXpert table.

With 10 patients or more all of this is there.

What is not true:

- counts and shares: rare things are common here; `train`, `validate` and `test` are about 80, 10
  and 10 % of the patients, in the real release 98.8, 0.8 and 0.4 %;
- one report or two are missing on purpose; in the real release none is;
- what is written for rare view codes and for procedures is only plausible;
- the order of columns of the radiologists' table is a guess;
- labels are drawn, and a text is written to say those of CheXpert; NegBio's differ here and there.

Ids are drawn at random. One may happen to be in the real release; that says nothing about it.
"""

from mimic_cxr_jpg.synthetic.release import write_release

__all__ = ["write_release"]
