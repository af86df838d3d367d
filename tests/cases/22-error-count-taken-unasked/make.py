"""An export whose `error_count` counts retries, which nobody mapped: `made` writes it into a folder."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path


def made(target: Path) -> None:
    draw = random.Random(22)
    (target / "in").mkdir(parents=True, exist_ok=True)
    first, days = date(2025, 6, 2), 12
    with (target / "in" / "app.csv").open("w") as out:
        out.write("timestamp,user_id,feature_name,session_duration,crash_flag,error_count,feedback_score\n")
        for number in range(days):
            day = first + timedelta(days=number)
            for _ in range(240):
                at = datetime(day.year, day.month, day.day, draw.randrange(24), draw.randrange(60), draw.randrange(60))
                feature, retries = draw.choice(("search", "orders", "export")), draw.choice((0, 1))
                out.write(f"{at},u{draw.randrange(60)},{feature},{draw.randrange(10, 300)},0,{retries},4\n")
    (target / "product.yaml").write_text(f"""name: Retries
start: {first}
end: {first + timedelta(days=days - 1)}
sources:
  - name: app
    files: {target}/in/*.csv
    mapping:
      event_time: timestamp
      feature: feature_name
      event_type: "'use'"
      duration_s: session_duration
      crashed: crash_flag
      rating: feedback_score
""")
