"""The console's pages, each with the rights that it needs."""

from haidang_cloud.console.pages.install import install_pages

__all__ = ["install_pages"]
