"""The sample feeds render to exactly the bytes in `golden/feeds`.

After a change of the output that is wanted, run this file as a program: it writes the documents anew,
for a diff to show. Such a change also raises the number in `RENDERER_VERSION`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from feed_samples import SAMPLES

from feedserver.model import Format
from feedserver.render import render

GOLDEN = Path(__file__).parent / "golden" / "feeds"


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_feed_renders_to_its_golden_document(name: str, fmt: Format) -> None:
    assert render(SAMPLES[name], fmt) == (GOLDEN / f"{name}.{fmt.value}").read_bytes()


def test_there_is_no_golden_document_without_a_sample() -> None:
    expected = {f"{name}.{fmt.value}" for name in SAMPLES for fmt in Format}
    assert {path.name for path in GOLDEN.iterdir()} == expected


if __name__ == "__main__":
    for sample, feed in SAMPLES.items():
        for form in Format:
            (GOLDEN / f"{sample}.{form.value}").write_bytes(render(feed, form))
