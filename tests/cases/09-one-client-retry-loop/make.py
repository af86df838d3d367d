"""Three sound features, and on the last day one client that tries again and again: `made` writes it into a folder."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path


def made(target: Path) -> None:
    draw = random.Random(13)
    (target / "in").mkdir(parents=True, exist_ok=True)
    first, last = date(2025, 9, 1), date(2025, 9, 28)
    lines, number = [], 0

    def event(at: datetime, user: str, feature: str, failed: int, release: str) -> None:
        nonlocal number
        number += 1
        lines.append(
            f"e{number},{at.isoformat()},{user},{feature},use,{draw.randrange(50, 900)},{failed},{release},web\n"
        )

    for count in range((last - first).days + 1):
        day = first + timedelta(days=count)
        release = "2.0" if day == last else "1.0"
        for _ in range(draw.randrange(560, 641)):
            at = datetime(day.year, day.month, day.day, draw.randrange(24), draw.randrange(60), draw.randrange(60))
            feature = draw.choice(("orders", "search", "export"))
            event(at, f"u{draw.randrange(150)}", feature, int(draw.random() < 0.005), release)
    for second in range(86):  # one person's tab, once a second, each time in vain
        event(datetime(2025, 9, 28, 14, second // 60, second % 60), "tab-left-open", "export", 1, "1.0")
    columns = "event_id,event_time,user_id,feature,event_type,latency_ms,error_count,app_version,platform\n"
    (target / "in" / "app.csv").write_text(columns + "".join(lines))
    (target / "product.yaml").write_text(
        f"name: Retry loop\nstart: {first}\nend: {last}\nsources:\n  - name: app\n    files: {target}/in/*.csv\n"
        "feature_defaults: {flag_key: '{feature}'}\n"
    )
