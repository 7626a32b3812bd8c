"""The report of an exploration in a real browser: plots drawn, nothing fetched, the filter filters."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command_runs import Run
from tests.letter_folder import write_letter_folder
from tests.tiny_language import tiny_tokens

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROBE = """<script>
addEventListener("load", () => {
  const wanted = document.getElementById("filter");
  const rows = [...document.querySelectorAll("#designs tbody tr")];
  const shown = () => rows.filter(row => row.offsetParent !== null).length;
  const before = shown();
  wanted.value = WORDS; wanted.dispatchEvent(new Event("input"));
  const found = {before, after: shown(),
    plots: document.querySelectorAll(".plotly-graph-div .main-svg").length,
    figures: document.querySelectorAll(".plotly-graph-div").length,
    points: document.querySelectorAll(".scatterlayer .point").length,
    fetched: performance.getEntriesByType("resource").map(one => one.name), failures};
  const text = document.createElement("pre");
  text.id = "probe"; text.textContent = JSON.stringify(found); document.body.append(text);
});
</script></body>"""
FAILURES = (
    "<head><script>const failures = []; addEventListener('error', e => failures.push(e.message));</script>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page")
    write_letter_folder(path, tiny_tokens())
    return path


def opened(page: Path, words: str) -> dict[str, Any]:
    """What a browser has made of ``page`` after ``words`` were typed into its filter."""
    probed = page.with_name("probed.html")
    html = page.read_text().replace("<head>", FAILURES, 1)
    probed.write_text(html.replace("</body>", PROBE.replace("WORDS", json.dumps(words))))
    call = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]
    done = subprocess.run([*map(str, call), probed.as_uri()], capture_output=True, text=True, timeout=240)
    written = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert written, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(written[1])
    return found


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_draws_the_report(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "cache"))
    grid = ("--clusters", "1,2", "--lanes", "2,4", "--tokens", "1,2", "--sparsity", "0.5,0.8", "--columns", 4)
    data = ("--train", folder / "text.txt", "--metadata-bits", 2, "--workers", 1, "--causes", 2)
    status, out, err = run("explore", folder / "model", "-o", tmp_path / "found", *grid, *data, "--json")
    assert status == 0, err
    front = json.loads(out)["front"]

    found = opened(tmp_path / "found" / "report.html", "c2 80")

    assert found["failures"] == [] and found["fetched"] == []
    assert found["figures"] == 7 and found["plots"] >= 7
    # Every design of the space stands in each of the four plots of points.
    assert found["points"] >= 4 * 16
    kept = [one for one in front if one["clusters"] == 2 and one["sparsity"] == 0.8]
    assert found["before"] == len(front) and 0 < found["after"] == len(kept) < len(front)
