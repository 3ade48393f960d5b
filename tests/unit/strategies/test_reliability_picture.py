"""The picture shows what the bins say, and nothing else can get into it."""

from xml.etree import ElementTree as ET

from strategies.calibration import Bin
from strategies.reliability_picture import reliability_picture

SVG = "{http://www.w3.org/2000/svg}"
BINS = (Bin(0.2, 0.3, 100, 10.0, 0.25, 0.5, 0.2, 0.8), Bin(0.7, 0.8, 50, 10.0, 0.75, 0.75, 0.5, 0.9))


def test_points_bars_and_counts_stand_where_the_bins_say():
    drawn = ET.fromstring(reliability_picture([("smile", BINS)], title="Diagram"))

    points = [(float(each.get("cx")), float(each.get("cy"))) for each in drawn.iter(f"{SVG}circle")][:2]
    assert points == [(52 + 320 * 0.25, 34 + 320 * 0.5), (52 + 320 * 0.75, 34 + 320 * 0.25)]
    bars = [each for each in drawn.iter(f"{SVG}line") if each.get("stroke-opacity")]
    assert [(float(each.get("y1")), float(each.get("y2"))) for each in bars] == [(290.0, 98.0), (194.0, 66.0)]
    counts = [float(each.get("height")) for each in drawn.iter(f"{SVG}rect") if each.get("fill-opacity")]
    assert counts == [60.0, 30.0]


def test_words_are_escaped_and_nothing_is_fetched():
    drawn = reliability_picture([("<script>", BINS)], title='"><script>alert(1)</script>')

    assert "<script" not in drawn
    assert "href" not in drawn
    ET.fromstring(drawn)


def test_no_series_is_an_empty_frame():
    drawn = ET.fromstring(reliability_picture([], title="Nothing"))

    assert not list(drawn.iter(f"{SVG}circle"))
