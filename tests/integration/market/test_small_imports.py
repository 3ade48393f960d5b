"""CSV files in and out of the admin: small, checked, and no formulas."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from allocation.models import IndustryAllocation, SectorAllocation
from market.models import Underlying, WatchlistItem

pytestmark = pytest.mark.django_db

INDUSTRIES, STOCKS = "/admin/allocation/industryallocation/", "/admin/market/underlying/"
WATCHLIST, SECTORS = "/admin/market/watchlistitem/", "/admin/allocation/sectorallocation/"
HEADER = "industry,weight_percentage,position_type,rating\n"


def upload(client, page, content, name="rows.csv"):
    body = content if isinstance(content, bytes) else content.encode()
    file = SimpleUploadedFile(name, body, content_type="text/csv")
    return client.post(f"{page}import/", {"import_file": file, "format": "0", "resource": "0"})


def confirm(client, page, preview):
    form = preview.context["confirm_form"]
    return client.post(f"{page}process_import/", form.initial | {"resource": "0"})


def export(client, page, fields):
    chosen = {f"{resource}_{field}": "on" for resource, names in fields.items() for field in names}
    return client.post(f"{page}export/", {"format": "0", "resource": "0", **chosen}).content.decode()


def test_weights_come_in_after_a_preview(admin_client):
    IndustryAllocation.objects.create(industry="Banks", weight_percentage=1)

    preview = upload(admin_client, INDUSTRIES, HEADER + "Banks,12.5,LONG,Overweight\nIT,8,SHORT,Neutral\n")
    before = IndustryAllocation.objects.count()
    done = confirm(admin_client, INDUSTRIES, preview)

    assert before == 1
    assert done.url == INDUSTRIES
    rows = {row.industry: (float(row.weight_percentage), row.position_type) for row in IndustryAllocation.objects.all()}
    assert rows == {"Banks": (12.5, "LONG"), "IT": (8.0, "SHORT")}


@pytest.mark.parametrize(
    ("page", "content", "model"),
    [
        (SECTORS, "sector,weight_percentage,position_type\nEnergy,10,LONG\n", SectorAllocation),
        (STOCKS, "symbol,industry,sector,fno_stock,market_cap\nACME,Tools,Goods,yes,100000\n", Underlying),
        (WATCHLIST, "segment,security_id,active,kind,label\nNSE_EQ,77,1,equity,Acme\n", WatchlistItem),
    ],
)
def test_the_other_small_lists_come_in_too(admin_client, page, content, model):
    before = model.objects.count()

    preview = upload(admin_client, page, content)
    confirm(admin_client, page, preview)

    assert model.objects.count() == before + 1


@pytest.mark.parametrize(
    "row",
    [
        *("Banks,NaN,LONG,Neutral", "Banks,Infinity,LONG,Neutral", "Banks,101,LONG,Neutral", "Banks,-1,LONG,Neutral"),
        *("Banks,x,LONG,Neutral", "Banks,5,UP,Neutral", "Banks,5,LONG,Great", ",5,LONG,Neutral"),
        f"{'B' * 81},5,LONG,Neutral",
    ],
)
def test_one_bad_row_refuses_the_file(admin_client, row):
    preview = upload(admin_client, INDUSTRIES, HEADER + f"IT,8,SHORT,Neutral\n{row}\n")

    assert preview.status_code == 200
    assert "confirm_form" not in preview.context
    assert not IndustryAllocation.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>403</body></html>",
        b"industry,weight\x00_percentage\nBanks,5\n",
        "industry,weight_percentage\nBanks,5\n".encode("utf-16"),
        b"industry,weight_percentage\n\xff\xfe\xfa,5\n",
        b"name,weight_percentage\nBanks,5\n",
        b"industry,weight_percentage\n" + b"Banks,5\n" * 5_001,
        b"industry,weight_percentage\n" + b"B" * 1_000_001,
    ],
    ids=["empty", "html", "nul", "utf16", "latin", "no key", "many rows", "big"],
)
def test_fm_D9_what_is_no_small_csv_is_refused_whole(admin_client, content):
    preview = upload(admin_client, INDUSTRIES, content)

    assert preview.status_code == 200
    assert "confirm_form" not in preview.context
    assert not IndustryAllocation.objects.exists()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " ="])
def test_fm_D9_an_export_holds_no_formula_and_reads_back_as_it_was(admin_client, start):
    name = f"{start}HYPERLINK(1)"
    Underlying.objects.create(symbol="ACME", industry=name.strip(), sector=name, market_cap=5)

    text = export(admin_client, STOCKS, {"underlyingresource": ["symbol", "sector", "market_cap"]})
    Underlying.objects.update(sector="")
    confirm(admin_client, STOCKS, upload(admin_client, STOCKS, text))

    cells = [cell.strip('"') for line in text.splitlines() for cell in line.split(",")]
    assert [cell for cell in cells if cell.strip()[:1] in ("=", "+", "-", "@")] == []
    assert "ACME" in cells
    assert Underlying.objects.get().sector.strip() == name.strip()
