"""PhysioNet: the site that MIMIC-CXR-JPG and its reports are fetched from."""

from cxr_datasets.storage.sites import Site, register_site

HOMEPAGE = "https://physionet.org/content/mimic-cxr-jpg/"

PHYSIONET = Site(
    name="PhysioNet",
    host="physionet.org",
    user_variable="PHYSIONET_USERNAME",
    password_variable="PHYSIONET_PASSWORD",
    host_variable="PHYSIONET_HOST",
    refusal=(
        "PhysioNet answers so for two reasons. It does not know this program's User-Agent "
        "({agent}): it honours a login only from those on its list; ask its staff to add it, or "
        'set one that is, storage_options={"headers": {"User-Agent": ...}}. Or the user has '
        "not signed the data use agreement for this version of the project, or is not credentialed "
        "yet: `cxr access mimic-cxr-jpg` says which step is missing, and where to do it. Other "
        "ways to the same files: the project's S3 access point or Google Cloud bucket "
        "(data_dir='s3://...' or 'gs://...'), or a download by wget."
    ),
    no_login="No account yet? `cxr access mimic-cxr-jpg` lists the steps.",
    # It keeps a login in a session, instead of checking it with every file, for programs that it
    # has seen to send a cookie.
    cookies={"testcookie": "1"},
)

register_site(PHYSIONET)
