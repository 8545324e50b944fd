"""A typed client in TypeScript, made from the schema and the examples by GraphQL Code Generator."""

from __future__ import annotations

from pathlib import Path

from tests.schema_tools.conftest import Run

GENERATE = ("node_modules/.bin/graphql-codegen", "--config", "codegen.mjs")
COMPILE = ("node_modules/.bin/tsc", "--project", ".")


def test_it_compiles(run: Run, tools: Path) -> None:
    """The types of all examples fit a program that uses them as it should, and no other."""
    run(*GENERATE)
    run(*COMPILE)
    generated = (tools / "generated" / "graphql.ts").read_text(encoding="utf-8")
    operations = list((tools / "documents").glob("*.graphql"))
    assert generated.count("Document = ") == len(operations) > 0
    assert ": any" not in generated


def test_it_is_as_strict_as_the_schema(run: Run, tools: Path) -> None:
    """A field that may become null breaks the program that counts on it."""
    schema = tools / "schema.graphql"
    text = schema.read_text(encoding="utf-8")
    doctored = text.replace("  messageId: UUID!\n", "  messageId: UUID\n")
    assert doctored != text
    schema.write_text(doctored, encoding="utf-8")
    run(*GENERATE)
    assert "client.ts" in run(*COMPILE, fails=True)
