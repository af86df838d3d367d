"""A feature that fails, in a product without any flag: `made` writes it into a folder."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path


def made(target: Path) -> None:
    draw = random.Random(25)
    (target / "in").mkdir(parents=True, exist_ok=True)
    first, days = date(2025, 6, 2), 14
    with (target / "in" / "app.csv").open("w") as out:
        out.write("event_id,event_time,user_id,feature,event_type,latency_ms,error_count\n")
        for number in range(days):
            day = first + timedelta(days=number)
            for use in range(450):
                at = datetime(day.year, day.month, day.day, draw.randrange(24), draw.randrange(60), draw.randrange(60))
                feature = ("search", "orders", "export")[use % 3]
                failed = int(feature == "export" and number >= 11 and draw.random() < 0.2)
                out.write(
                    f"e{number}-{use},{at},u{draw.randrange(2000)},{feature},use,{draw.randrange(50, 900)},{failed}\n"
                )
    (target / "product.yaml").write_text(
        f"name: No flags\nstart: {first}\nend: {first + timedelta(days=days - 1)}\n"
        f"sources:\n  - name: app\n    files: {target}/in/*.csv\n"
    )
