"""The page of `tempo review` in headless Chromium, by the keyboard only."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import soundfile
from browser import ENTER
from forms import edges_of, song_of
from review_site import HOSTILE, in_force, make_results, rows, site, start_command

if TYPE_CHECKING:
    from pathlib import Path

    from browser import Page

pytestmark = pytest.mark.slow


def test_a_person_goes_through_ten_tracks_by_the_keyboard(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 10)
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        assert "token" not in page.driver.current_url
        page.press(" ")
        page.until(lambda: page.data("clicks"), "clicks are heard with the music")
        page.press("d", ENTER)  # 100 -> 200
        page.at(1)
        page.press("h", ENTER)  # 102 -> 51
        page.at(2)
        page.press("r", ENTER)  # 104 -> 156
        page.at(3)
        page.press(ENTER)  # 106 is right
        page.at(4)
        page.press("s")  # skipped
        page.at(5)
        page.press("1", "2", "7", ".", "5")
        assert page.text("typed").startswith("127.5")
        page.press(ENTER)
        assert page.text("bpm") == "127.5"
        page.press(ENTER)
        page.at(6)
        page.driver.refresh()  # in the middle
        page.at(6)
        for _ in range(6):  # about 112 BPM, which is taken for the estimate's
            page.press("t")
            time.sleep(60 / 112 - 0.03)
        page.until(lambda: page.text("message").startswith(("5 taps", "6 taps")), "taps are counted")
        page.press("o", "b", ENTER)  # as estimated, a beat later
        page.at(7)
        page.press("d", ENTER)
        page.at(8)
        page.saved()
        page.press("u")  # it was right
        page.at(7)
        page.until(lambda: page.text("bpm") == "114", "the tempo is as estimated again")
        page.press(ENTER)
        page.at(8)
        page.press("e", ENTER)  # 116 -> 77.33
        page.at(9)
        page.press(ENTER)
        page.at(4)  # what was skipped comes again
        page.press(ENTER)
        page.until(lambda: "10 of 10 done" in page.text("progress"), "all are done")
    assert page.complaints() == []
    requests = page.requests()
    assert len(requests) > 40
    assert [url for url in requests if not url.startswith(f"http://127.0.0.1:{server.port}/")] == []
    log = results.with_suffix(".corrections.csv")
    tempi = ("200", "51", "156", "106", "108", "127.5", "112", "114", "77.333", "118")
    expected = dict(enumerate(tempi))
    assert in_force(log) == {f"track {number}.wav": bpm for number, bpm in expected.items()}
    assert [row["action"] for row in rows(log)][7:9] == ["undo", "accept"]


def test_a_slow_server_loses_and_mixes_up_nothing(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 5)
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 700, "downloadThroughput": 200_000, "uploadThroughput": 50_000},
        )
        for number, key in enumerate("dhd"):
            page.until(lambda n=number: page.data("number") == str(n), f"track {number}")  # not yet its sound
            # The last two come too late for this track, and too early for the next.
            page.press(key, ENTER, "d", ENTER)
        page.at(3)
        page.saved()
        page.driver.refresh()
        page.at(3)
    log = results.with_suffix(".corrections.csv")
    assert in_force(log) == {"track 0.wav": "200", "track 1.wav": "51", "track 2.wav": "208"}
    assert len(rows(log)) == 3


def test_a_hostile_name_is_text(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 2, hostile=True)
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        assert page.text("title") == HOSTILE.replace("\n", "\\n").replace("\u202e", "\\u202e")
        assert page.driver.find_elements("css selector", "img, #title *, .name *") == []
        assert page.driver.title == "tempo review"
        page.press("d", ENTER)
        page.at(1)
        page.saved()
    (row,) = rows(results.with_suffix(".corrections.csv"))
    assert row == {"path": str(tmp_path / HOSTILE), "bpm": "200", "action": "correct"}


def test_two_tabs_agree(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 3)
    driver = page.driver
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        first = driver.current_window_handle
        driver.switch_to.new_window("tab")
        second = driver.current_window_handle
        page.open(server.url)
        page.at(0)
        page.press("d", ENTER)
        page.at(1)
        page.saved()
        driver.switch_to.window(first)
        page.until(lambda: page.text("verdict") == "✎ corrected to 200", "the other tab's correction is seen")
        assert page.text("bpm") == "200"
        # Both say something about the same track before they hear of each other: the second is told.
        script = "window.fetch = ((real) => (path, more) => String(path).includes('changes') ? new Promise(() => {}) : real(path, more))(fetch)"  # noqa: E501
        driver.execute_script(script)
        page.press("\ue015")
        page.at(1)
        driver.switch_to.window(second)
        page.press("h", ENTER)
        page.at(2)
        page.saved()
        driver.switch_to.window(first)
        page.press("d", ENTER)
        page.until(lambda: page.text("note").startswith("Not saved: another page"), "the conflict is told")
        page.at(1)
        page.until(lambda: page.text("bpm") == "51", "what the other tab said is shown")
    log = results.with_suffix(".corrections.csv")
    assert in_force(log) == {"track 0.wav": "200", "track 1.wav": "51"}


def test_a_killed_server_loses_no_correction(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 4)
    log = results.with_suffix(".corrections.csv")
    process, url = start_command(results)
    try:
        page.open(url)
        page.at(0)
        page.press("d", ENTER)
        page.at(1)
        page.saved()
        process.kill()
        process.communicate()
        assert in_force(log) == {"track 0.wav": "200"}
        page.press("h", ENTER)
        page.until(
            lambda: page.data("lost") == "lost" and "1 correction is kept" in page.text("lost"), "told"
        )
        port = url.split(":")[2].split("/")[0]
        process, url = start_command(results, "--port", port)
        page.until(lambda: "started anew" in page.text("lost"), "the page says what to do")
        page.open(url)
        page.saved()
        page.until(lambda: "2 of 4 done" in page.text("progress"), "both are there")
        assert page.text("lost") == ""
    finally:
        process.kill()
        process.communicate()
    assert in_force(log) == {"track 0.wav": "200", "track 1.wav": "51"}


def test_ten_thousand_tracks_are_a_list_of_few_rows(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 1)
    line = json.loads(results.read_text(encoding="utf-8"))
    more = [line | {"path": f"/nowhere/{number}.wav", "confidence": 0.95} for number in range(9_999)]
    results.write_text("".join(json.dumps(each) + "\n" for each in [line, *more]), encoding="utf-8")
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        assert "of 10,000 done" in page.text("progress")
        page.driver.execute_script("document.getElementById('list').scrollTop = 1e9")
        names = "return [...document.querySelectorAll('.row .name')].map((each) => each.textContent)"
        page.until(lambda: page.driver.execute_script(names)[-1] == "9998.wav", "the end of the list")
        assert len(page.driver.execute_script(names)) < 60
        page.press("\ue015")
        page.at(1)
        assert "No such file" in page.text("message")


def test_the_sections_of_the_song_are_shown_and_lead_to_their_start(page: Page, tmp_path: Path) -> None:
    results = make_results(tmp_path, 2)
    edges = edges_of("ABA")
    soundfile.write(tmp_path / "track 1.wav", song_of("ABA")[: round(edges[-1] * 22050)], 22050)
    with site(results) as server:
        page.open(server.url)
        page.at(0)
        assert not page.driver.find_element("id", "form").is_displayed()  # twelve seconds of clicks
        page.press("\ue015")
        page.at(1)
        band = page.driver.find_element("id", "form")
        assert band.is_displayed()
        assert band.get_attribute("aria-label") == "Sections of the song: A B A"
        first_a, b, second_a, playhead = band_colours(page, 0.15, 0.5, 0.85, 0.0)
        assert first_a == second_a != b
        band.click()  # in the middle, which is in B
        near = [edges[1] / edges[-1] + step / 1000 for step in range(-8, 9)]
        page.until(lambda: playhead in band_colours(page, *near), "the playhead is where B starts")
    assert page.complaints() == []


def band_colours(page: Page, *places: float) -> list[str]:
    """Colours in the band of sections, at shares of its width."""
    script = """
    const canvas = document.getElementById("form");
    const at = (place) => canvas.getContext("2d").getImageData(place * canvas.width, 3, 1, 1).data.join();
    return arguments[0].map(at);
    """
    found: list[str] = page.driver.execute_script(script, list(places))
    return found


GRID = """
const [bpm, shift, anchor, done] = arguments;
const beats = [0.5, 1.0, 1.5, 2.0, 2.6, 3.2, 3.8, 4.4, 5.0];  // slower from 2 s on
const preview = { beats, positions: [4, 1, 2, 3, 4, 1, 2, 3, 4], bpm: 110, duration: 5.5 };
import("/grid.js").then(({ makeGrid }) => {
  const grid = makeGrid(preview, bpm, shift, anchor);
  done([grid.map((beat) => Math.round(1000 * beat.time) / 1000), grid.filter((beat) => beat.down).map((beat) => beat.time)]);
});
"""  # noqa: E501


@pytest.mark.parametrize(
    ("bpm", "shift", "anchor", "times", "downs"),
    [
        (110, 0, None, [0.5, 1.0, 1.5, 2.0, 2.6, 3.2, 3.8, 4.4, 5.0], [1.0, 3.2]),
        (110, 1, None, [0.5, 1.0, 1.5, 2.0, 2.6, 3.2, 3.8, 4.4, 5.0], [1.5, 3.8]),
        (55, 0, None, [1.0, 2.0, 3.2, 4.4], [1.0]),
        (55, 1, None, [0.5, 1.5, 2.6, 3.8, 5.0], [1.5]),
        (165, 0, None, [0.667, 1.0, 1.333, 1.667, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0, 4.4, 4.8], [1.0, 2.4, 4.0]),
        (100, 0, None, [0.5, 1.1, 1.7, 2.3, 2.9, 3.5, 4.1, 4.7, 5.3], [0.5, 2.9, 5.3]),
        (
            110,
            0,
            1.0,
            [0.455, 1.0, 1.545, 2.091, 2.636, 3.182, 3.727, 4.273, 4.818, 5.364],
            [1.0, 3.182, 5.364],
        ),
    ],
)
def test_the_grid_follows_the_beats(
    page: Page,
    tmp_path: Path,
    bpm: float,
    shift: int,
    anchor: float | None,
    times: list[float],
    downs: list[float],
) -> None:
    with site(make_results(tmp_path, 1)) as server:
        page.open(server.url)
        found, accented = page.driver.execute_async_script(GRID, bpm, shift, anchor)
    assert found == pytest.approx(times)
    assert accented == pytest.approx(downs, abs=0.001)
