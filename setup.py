# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Builds the wheel that ``az extension add --source`` installs."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION = "1.0.0b1"
HERE = Path(__file__).parent

setup(
    name="seccomp",
    version=VERSION,
    description="Find the system calls that a seccomp profile blocks in workloads on AKS, and correct the profile.",
    long_description="\n\n".join((HERE / name).read_text(encoding="utf-8") for name in ("README.md", "HISTORY.rst")),
    long_description_content_type="text/markdown",
    license="MIT",
    author="the az-aks-seccomp authors",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Security",
        "Topic :: System :: Systems Administration",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["azext_seccomp", "azext_seccomp.*"]),
    package_data={
        "azext_seccomp": ["azext_metadata.json"],
        "azext_seccomp.export": ["*.css"],
        "azext_seccomp.node": ["*.sh"],
        "azext_seccomp.profile": ["data/*.json"],
    },
    # What azure-cli brings (PyYAML, urllib3, azure-mgmt-*) is not named again: az puts its own copy first on the path.
    install_requires=[
        "kubernetes>=35,<36",  # 36 brings pydantic and aiohttp: 160 MB and four times the import time
        "msgspec>=0.19",
        "pyseccomp>=0.1.2; sys_platform == 'linux'",
    ],
)
