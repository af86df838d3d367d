"""A German shop's export: semicolons, decimal commas, local times: `made` writes it into a folder."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path


def made(target: Path) -> None:
    draw = random.Random(21)
    (target / "in").mkdir(parents=True, exist_ok=True)
    first, days = date(2025, 6, 2), 10
    for number in range(days):
        day, rows = first + timedelta(days=number), []
        for feature, uses in (("browse", 120), ("checkout", 200), ("reviews", 60)):
            for use in range(uses):
                at = datetime(
                    day.year, day.month, day.day, draw.randrange(7, 23), draw.randrange(60), draw.randrange(60)
                )
                took = f"{draw.uniform(80, 900):.1f}".replace(".", ",")
                failed = int(feature == "checkout" and number >= 6 and use % 50 == 0)
                stars = f"{draw.choice((3.5, 4, 4.5, 5)):.1f}".replace(".", ",") if feature == "reviews" else ""
                rows.append(f"{at:%d.%m.%Y %H:%M:%S};k{draw.randrange(70)};{feature};{took};{failed};{stars}\n")
        (target / "in" / f"{day}.csv").write_text("Zeitpunkt;Kunde;Bereich;Dauer_ms;Fehler;Sterne\n" + "".join(rows))
    (target / "product.yaml").write_text(f"""name: Teeladen
start: {first}
end: {first + timedelta(days=days - 1)}
sources:
  - name: shop
    files: {target}/in/*.csv
    delimiter: ";"
    mapping:
      event_time: "try_strptime(Zeitpunkt, '%d.%m.%Y %H:%M:%S') AT TIME ZONE 'Europe/Berlin'"
      user_id: Kunde
      feature: Bereich
      event_type: "'use'"
      latency_ms: "TRY_CAST(replace(Dauer_ms, ',', '.') AS DOUBLE)"
      error_count: Fehler
      rating: Sterne
features:
  chekout: {{owner: team-payments, tier: 0, max_error_rate: 0.005, flag_key: checkout}}
""")
