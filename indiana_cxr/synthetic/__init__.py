"""A small, wholly invented copy of the Indiana University chest X-rays, for tests and trials.

What is true to the Kaggle release:

- names of files, and of the two tables their headers, order of columns, quoting and order of rows;
- uids from 1 to 3999, with gaps;
- 1 to 5 images a study, the frontal ones first; some studies have no frontal view and some no
  lateral one; one image is listed under the wrong view;
- image files on disk that no table lists, one of them cut short and the others turned;
- `XXXX` where text was de-identified; `None`, `None.` and nothing as comparisons; empty text in
  each of the four sections; `&lt;`, `<BR>`, quotes and stray blanks;
- the grammar of MeSH: qualifiers, odd cases, headings that hold commas; `Problems` holds the
  headings in their order;
- PNGs that are greyscale.

At the default size every rule that turns MeSH into CheXpert labels has a study to which it alone
applies, and so has each near miss.

What is not true:

- counts and shares: rare things are common here;
- the sentences, written for this package, which say little more than the terms do;
- the sizes of images, which are a handful of usual ones;
- the `IM` numbers in the names of files: here no two studies share one.

Uids are drawn at random, but 1, 2 and 4 are always there, with two images and findings. Published
lists of uids put these three into train, test and validation, so none of the three is empty. The
study behind a uid is invented; it has nothing to do with the real study of that number.
"""

from indiana_cxr.synthetic.release import LAYOUTS, write_release

__all__ = ["LAYOUTS", "write_release"]
