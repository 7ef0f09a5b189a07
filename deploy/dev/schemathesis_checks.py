"""What deploy/dev/schemathesis looks at beside schemathesis's own checks."""

import schemathesis

# What a schema cannot say: rules about what is there, about two parameters together, and about bytes.
STATE = (
    "of this workspace",
    "does not go with after",
    "goes with scope team only",
    "is required with scope team",
    "bytes",
    "must not end when it begins",
    "needs",
    "must be a file",
    "was uploaded",
    "must be the first part",
    "must be the second part",
)
# Codes that are about the value that an opaque text stands for, or about a file's bytes.
CODES = ("INVALID_CURSOR", "UNSUPPORTED_FILE")


@schemathesis.check
def form_never_refused(ctx, response, case):
    """A request that its schema takes is not refused for its form."""
    if response.status_code not in (400, 422) or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    error = response.json()["error"]
    if error["code"] in CODES:
        return
    wrong = [detail for detail in error.get("details", []) if not any(rule in detail["rule"] for rule in STATE)]
    if wrong or not error.get("details"):
        raise AssertionError(f"its schema takes it, and the server does not: {error}")
