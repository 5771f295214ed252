"""SQL on an export: Parquet files that DuckDB reads without this project, images and all.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/sql.py --data-dir practice/mimic --export practice/export --out pictures

You learn: `export`, which goes on where it was stopped; labels, a struct in each row, as rows of
their own; texts searched without reading an image; images taken from the rows that SQL found.
"""

import io

import duckdb
import PIL.Image

from cxr_datasets.export import export
from shared import arguments, sheet

COUNTS = """
    SELECT label,
        count(*) FILTER (value = 1) AS positive, count(*) FILTER (value = -1) AS uncertain,
        count(*) FILTER (value = 0) AS negative, count(*) FILTER (value IS NULL) AS not_mentioned
    FROM (SELECT unnest(labels) FROM '{0}/reports/*.parquet')
    UNPIVOT INCLUDE NULLS (value FOR label IN (*))
    GROUP BY label ORDER BY positive DESC
"""

# `view` is a number; 0 is the first of cxr_datasets.columns.VIEWS, frontal.
FOUND = """
    SELECT image.bytes, impression FROM '{0}/images/*.parquet'
    WHERE view = 0 AND labels.Cardiomegaly = 1 AND impression ILIKE '%moderately enlarged%'
    ORDER BY image_id LIMIT 4
"""

args = arguments(__doc__, data_dir="practice/mimic", export="practice/export")
for config in ("images", "reports"):
    print(export("mimic-cxr-jpg", args.data_dir, args.export, config=config, image_size=160))

duckdb.sql(COUNTS.format(args.export)).show()
rows = duckdb.sql(FOUND.format(args.export)).fetchall()
print(f"{len(rows)} images of moderately enlarged hearts")
# Named formats only: others may start a program, such as Ghostscript for PostScript.
images = [PIL.Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) for content, _ in rows]
sheet(images, [" ".join(impression.split()) for _, impression in rows], args.out / "sql.png")
