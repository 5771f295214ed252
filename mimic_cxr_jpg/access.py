"""How to get access to MIMIC-CXR-JPG and its reports: the steps at PhysioNet.

Sources: the pages of PhysioNet that are named; the addresses of an account's settings, as
MIT-LCP/physionet-build has them (`physionet-django/user/urls.py`); the names of the modules, which
are in its `demo-training-type.json`, too, and their numbers as a report of completion lists them.
"""

from cxr_datasets.builder import Access, Project, Step

IMAGES = Project(
    name="MIMIC-CXR-JPG 2.1.0",
    gives="images, labels and splits",
    file="https://physionet.org/files/mimic-cxr-jpg/2.1.0/LICENSE.txt",
)
REPORTS = Project(
    name="MIMIC-CXR 2.1.0",
    gives="the reports",
    file="https://physionet.org/files/mimic-cxr/2.1.0/LICENSE.txt",
)

_MODULES = (
    "SBE Refresher 1 - Defining Research with Human Subjects (ID 15029)",
    "SBE Refresher 1 - Privacy and Confidentiality (ID 15035)",
    "SBE Refresher 1 - Assessing Risk (ID 15034)",
    "SBE Refresher 1 - Research with Children (ID 15036)",
    "SBE Refresher 1 - International Research (ID 15028)",
    "Instructions (ID 764)",
    "Biomed Refresher 2 - History and Ethical Principles (ID 511)",
    "Biomed Refresher 2 - Regulations and Process (ID 512)",
    "Biomed Refresher 2 - SBR Methodologies in Biomedical Research (ID 515)",
    "Biomed Refresher 2 - Genetics Research (ID 518)",
    "Biomed Refresher 2 - Records-Based Research (ID 516)",
    "Biomed Refresher 2 - Populations in Research Requiring Additional Considerations and/or "
    "Protections (ID 519)",
    "Biomed Refresher 2 - HIPAA and Human Subjects Research (ID 526)",
    "Biomed Refresher 2 - Conflicts of Interest in Research Involving Human Subjects (ID 17545)",
)


def _agreement(project: Project, address: str) -> Step:
    return Step(
        title=f"Sign the data use agreement of {project.name}",
        address=address,
        about=f"It gives {project.gives}. Each project, and each version of it, has its own.",
        project=project,
    )


ACCESS = Access(
    about="The data are credentialed: everyone who reads them needs an account of their own.",
    steps=(
        Step(
            title="Make an account at PhysioNet",
            address="https://physionet.org/register/",
            about="Use the address of your institution, if you have one.",
        ),
        Step(
            title="Apply for credentialed access",
            address="https://physionet.org/settings/credentialing/",
            about="It takes up to eight days until it is approved.",
        ),
        Step(
            title='Complete the CITI training "Data or Specimens Only Research"',
            address="https://physionet.org/about/citi-course/",
            about=(
                "Take three to six hours for its 14 modules. Then hand in the report that lists "
                "them, at https://physionet.org/settings/training/; it takes up to a day until it "
                "counts."
            ),
            parts=_MODULES,
        ),
        _agreement(IMAGES, "https://physionet.org/sign-dua/mimic-cxr-jpg/2.1.0/"),
        _agreement(REPORTS, "https://physionet.org/sign-dua/mimic-cxr/2.1.0/"),
        Step(
            title="Ask for access in the cloud",
            address="https://physionet.org/settings/cloud/",
            about="It is needed only for a copy in Google Cloud or AWS (gs://, s3://).",
            optional=True,
        ),
    ),
    questions=(
        "https://github.com/MIT-LCP/mimic-code/discussions",
        "https://github.com/MIT-LCP/mimic-code/issues",
    ),
)
