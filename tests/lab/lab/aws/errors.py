"""Errors as an AWS API answers them."""

from __future__ import annotations


class ApiError(Exception):
    """`code` is what SDKs match on; it need not be in the service's model (`AccessDeniedException` is not)."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
