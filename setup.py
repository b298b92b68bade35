"""Package metadata: everything is read from settings.ini."""
import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]


def wants(key): return shlex.split(cfg.get(key, ""))


setup(
    name=cfg["lib_name"], version=cfg["version"], description=cfg["description"], license="Apache-2.0",
    author=cfg["author"], author_email=cfg["author_email"], url=cfg["git_url"], keywords=cfg["keywords"],
    long_description=(here / "README.md").read_text(encoding="utf-8"), long_description_content_type="text/markdown",
    packages=find_packages(include=[cfg["lib_path"], cfg["lib_path"] + ".*"]), include_package_data=True, zip_safe=False,
    python_requires=">=" + cfg["min_python"], install_requires=wants("requirements"),
    extras_require={"gpu": wants("gpu_requirements"), "viewer": wants("viewer_requirements"), "extra": wants("extra_requirements"),
                    "dev": wants("dev_requirements") + wants("docs_requirements"), "docs": wants("docs_requirements")},
    entry_points={"console_scripts": wants("console_scripts"),
                  "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
                  "nsc_nb.methods": ["chronology=nsc_nb.chronology.evaluation:Chronology", "neuraldiff=nsc_nb.neuraldiff.evaluation:NeuralDiff", "osn=nsc_nb.osn.evaluation:OSN", "videoloop=nsc_nb.videoloop.evaluation:VideoLoop", "photonvs=nsc_nb.photonvs.evaluation:PhotoNVS"],
                  "nsc_nb.configs": ["chronology=nsc_nb.chronology.config:presets", "neuraldiff=nsc_nb.neuraldiff.config:presets", "osn=nsc_nb.osn.config:presets", "videoloop=nsc_nb.videoloop.config:presets", "photonvs=nsc_nb.photonvs.config:presets"]},
    classifiers=["Development Status :: 3 - Alpha", "Intended Audience :: Science/Research", "Programming Language :: Python :: 3"],
)
